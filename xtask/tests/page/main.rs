//! The HTML report in a real browser. These tests are ignored if chromedriver is not installed; it is not installed for them,
//! because with its browser it takes a hundred megabytes. `SCREENSHOTS=DIR` keeps the pictures.

mod browser;
mod runs;

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use browser::{Browser, DRIVER};
use harness::report::render::html;
use libtest_mimic::{Arguments, Conclusion, Trial};
use serde_json::json;

/// The screen widths of a desktop and of a phone.
const WIDTHS: [u32; 2] = [1200, 390];

/// Elements whose text has a contrast below 4.5 to 1 (WCAG 2.2, success criterion 1.4.3), one per line.
const TOO_FAINT: &str = r"(() => {
  const channels = (colour) => colour.match(/[\d.]+/g).map(Number);
  const light = (colour) => {
    const [r, g, b] = channels(colour).map((c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (e) => {
    for (; e; e = e.parentElement) {
      const colour = getComputedStyle(e).backgroundColor;
      if (channels(colour)[3] !== 0) return colour;
    }
    return 'rgb(255, 255, 255)';
  };
  const faint = new Set();
  let seen = 0;
  for (const e of document.querySelectorAll('body *')) {
    const written = [...e.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());
    if (!written || !e.getClientRects().length) continue;
    seen += 1;
    const [a, b] = [light(getComputedStyle(e).color), light(ground(e))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) faint.add(`${e.tagName}.${e.className} ${ratio.toFixed(2)}`);
  }
  return seen > 100 ? [...faint].join('\n') : `only ${seen} elements were looked at`;
})()";

/// A test of a page in a browser that has not opened it yet.
type Test = fn(&mut Browser, &Path);

fn main() {
    let mut arguments = Arguments::from_args();
    // One at a time: each starts a browser, which uses more than one processor.
    arguments.test_threads = arguments.test_threads.or(Some(1));
    let there = browser::is_there();
    if !there && !arguments.list {
        eprintln!("the page is not tried: {DRIVER} is not on the PATH (on Debian: apt-get install chromium-driver)");
    }
    let tests: [(&str, Test); 8] = [
        ("no_errors_and_no_network_requests", no_errors),
        ("a_bad_page_has_errors", a_bad_page_has_errors),
        ("clicks_filter_and_open", clicks),
        ("findings_open_and_filter_the_cases", findings),
        ("keys_do_what_the_page_says", keys),
        ("text_of_a_kernel_stays_text", text_stays_text),
        ("it_fits_a_desktop_and_a_phone_in_light_and_dark", it_fits),
        ("a_link_to_a_case_opens_it", a_link_opens),
    ];
    let trials = tests.map(|(title, test)| {
        let body = move || {
            let dir = tempfile::tempdir().map_err(|error| error.to_string())?;
            let page = dir.path().join("report.html");
            std::fs::write(&page, html::render(&runs::matrix()).map_err(|error| error.to_string())?)
                .map_err(|error| error.to_string())?;
            test(&mut Browser::start(), &page);
            Ok(())
        };
        Trial::test(title, body).with_ignored_flag(!there)
    });
    let conclusion: Conclusion = libtest_mimic::run(&arguments, trials.into());
    conclusion.exit();
}

fn assert_no_errors(browser: &mut Browser) {
    assert_eq!(browser.errors(), Vec::<String>::new());
}

fn visible(browser: &mut Browser) -> u64 {
    browser.eval("document.querySelectorAll('tr.case:not([hidden])').length").as_u64().expect("a number")
}

fn opened(browser: &mut Browser) -> u64 {
    browser.eval("document.querySelectorAll('tr.details').length").as_u64().expect("a number")
}

fn no_errors(browser: &mut Browser, page: &Path) {
    for width in WIDTHS {
        browser.open(page, "", width, false);
        assert_no_errors(browser);
        let ms = browser.eval("performance.getEntriesByType('navigation')[0].loadEventEnd");
        let rows = visible(browser);
        eprintln!("{width} pixels: {rows} cases x 8 runs loaded in {ms} ms");
        assert_eq!(rows, cases::suite::keys().count() as u64);
    }
}

/// Shows that the other tests would detect errors.
fn a_bad_page_has_errors(browser: &mut Browser, page: &Path) {
    let text = std::fs::read_to_string(page).expect("it was written");
    for bad in [
        "<script>document.title = 'mine'</script>",
        "<p style=\"color: red\">x</p>",
        "<img src=\"https://example.org/x.png\">",
        "<img src=\"x\" onerror=\"document.title = 'mine'\">",
    ] {
        std::fs::write(page, text.replace("</main>", &format!("{bad}</main>"))).expect("it is ours");
        browser.open(page, "", 1200, false);
        assert_ne!(browser.errors(), Vec::<String>::new(), "{bad}");
        assert_ne!(browser.eval("document.title"), "mine", "{bad}");
    }
}

fn clicks(browser: &mut Browser, page: &Path) {
    browser.open(page, "", 1200, false);
    let all = visible(browser);
    browser.click(".clause-link[data-clause='R-2']");
    let of_clause = visible(browser);
    assert!(0 < of_clause && of_clause < all, "{of_clause} of {all}");
    assert_eq!(
        browser.eval("[...document.querySelectorAll('tr.case:not([hidden])')].every(r => r.dataset.clause === 'R-2')"),
        true
    );
    assert_eq!(browser.eval("document.querySelector('#shown').textContent"), format!("{of_clause} of {all} cases"));
    browser.press("Escape");
    assert_eq!(visible(browser), all);

    browser.click("#search");
    browser.write("closing_orders");
    let found = visible(browser);
    assert!(0 < found && found < all, "{found} of {all}");
    browser.press("Escape");
    assert_eq!(visible(browser), all);

    browser.click("#case-5 button");
    assert_eq!(opened(browser), 1);
    let transcript = browser.eval("document.querySelector('tr.details pre').textContent");
    assert!(transcript.as_str().is_some_and(|text| text.contains("derive(primary, 24)")), "{transcript}");
    assert_eq!(browser.eval("document.querySelector('#case-5 button').getAttribute('aria-expanded')"), "true");
    browser.click("#case-5 button");
    assert_eq!(opened(browser), 0);

    browser.click(".case-link");
    assert_eq!(opened(browser), 1);
    assert_eq!(browser.eval("document.activeElement.textContent"), runs::VIOLATED[0]);

    let ground = |browser: &mut Browser| browser.eval("getComputedStyle(document.body).backgroundColor");
    let before = ground(browser);
    browser.click("#theme");
    assert_ne!(ground(browser), before);
    browser.click("#theme");
    assert_eq!(ground(browser), before);

    // The headings stay visible while the rows scroll.
    browser.eval("document.querySelector('#case-90').scrollIntoView()");
    let top = browser.eval("document.querySelector('.list thead th').getBoundingClientRect().top");
    assert_eq!(top, 0);
    assert_no_errors(browser);
}

fn findings(browser: &mut Browser, page: &Path) {
    browser.open(page, "", 1200, false);
    let all = visible(browser);
    let open = |browser: &mut Browser| browser.eval("[...document.querySelectorAll('.finding')].map(e => e.open)");
    assert_eq!(open(browser), json!([true, false, false]), "the worst is open");
    browser.click("#finding-2 > summary");
    assert_eq!(open(browser), json!([true, true, false]));
    browser.click("#finding-2 .explains > summary");
    browser.click("#finding-2 .explains .case-link");
    assert_eq!(browser.eval("document.activeElement.textContent"), runs::VIOLATED[3]);

    browser.click("#finding-2 .finding-link");
    let shown = "[...document.querySelectorAll('tr.case:not([hidden]) button')].map(e => e.textContent)";
    assert_eq!(browser.eval(shown), json!([runs::VIOLATED[2], runs::VIOLATED[3]]));
    assert_eq!(browser.eval("document.querySelector('#shown').textContent"), format!("2 of {all} cases"));
    browser.click("#search");
    browser.write("walk");
    assert_eq!(visible(browser), 1, "filters are combined");
    browser.press("Escape");
    assert_eq!(visible(browser), all);

    // A finding is opened by a link from elsewhere, and by the link of a case.
    browser.open(page, "#finding-3", 1200, false);
    assert_eq!(open(browser), json!([true, false, true]));
    browser.eval("document.querySelector('#finding-3 .case-link').click()");
    browser.eval("document.querySelector('#finding-3').open = false");
    browser.click("tr.details a[href='#finding-3']");
    assert_eq!(open(browser), json!([true, false, true]));
    assert_no_errors(browser);
}

fn keys(browser: &mut Browser, page: &Path) {
    browser.open(page, "", 1200, false);
    let all = visible(browser);
    let focused = |browser: &mut Browser| {
        browser.eval("(document.activeElement.closest('tr') || {}).id || document.activeElement.id")
    };
    for (key, row) in [("j", "case-0"), ("j", "case-1"), ("j", "case-2"), ("k", "case-1")] {
        browser.press(key);
        assert_eq!(focused(browser), row, "{key}");
    }
    browser.press("Enter");
    assert_eq!(opened(browser), 1, "Enter opens");
    assert_eq!(focused(browser), "case-1");
    browser.press("Enter");
    assert_eq!(opened(browser), 0, "and closes");
    browser.press("p");
    let problems = runs::VIOLATED.len() + runs::NOT_JUDGED.len();
    assert_eq!(visible(browser), problems as u64, "p shows only problems");
    browser.press("p");
    assert_eq!(visible(browser), all, "and then all again");
    browser.press("/");
    assert_eq!(focused(browser), "search");
    browser.write("jp");
    assert_eq!(browser.eval("document.querySelector('#search').value"), "jp", "letters go to the focused field");
    browser.press("Escape");
    assert_eq!((visible(browser), focused(browser)), (all, json!("")));
    browser.press("?");
    assert_eq!(browser.eval("document.querySelector('#keys').hidden"), false);
    browser.press("t");
    assert_eq!(browser.eval("document.documentElement.dataset.theme"), "dark");
    assert_no_errors(browser);
}

fn text_stays_text(browser: &mut Browser, page: &Path) {
    browser.open(page, "", 1200, false);
    browser.eval("document.querySelectorAll('tr.case button').forEach(button => button.click())");
    assert_eq!(opened(browser), cases::suite::keys().count() as u64);
    assert_eq!(browser.eval("document.querySelectorAll('script').length"), 2, "the data and the script of the page");
    assert_eq!(browser.eval("document.querySelectorAll('img, [onerror], [onclick]').length"), 0);
    // In a finding: sentence, transcript, kernel log; in the problems, a transcript, a task and the details of a run.
    for place in [
        "summary",
        ".evidence pre .bad",
        ".evidence h3 + pre",
        "#problems p",
        "tr.details pre",
        "tr.details pre:last-of-type",
        "#runs dd",
    ] {
        let script =
            format!("[...document.querySelectorAll({place:?})].some(e => e.textContent.includes({:?}))", runs::EVIL);
        assert_eq!(browser.eval(&script), true, "{place}");
    }
    assert_no_errors(browser);
}

fn it_fits(browser: &mut Browser, page: &Path) {
    for (width, dark) in WIDTHS.into_iter().flat_map(|width| [(width, false), (width, true)]) {
        browser.open(page, "", width, dark);
        let scheme = if dark { "dark" } else { "light" };
        picture(browser, &format!("top-{width}-{scheme}"));
        for (what, script) in [
            ("findings", "document.querySelectorAll('details').forEach(details => { details.open = true })"),
            ("clauses", "document.querySelector('#clauses').scrollIntoView()"),
            ("clauses-end", "document.querySelector('#clauses tbody tr:last-child').scrollIntoView({ block: 'end' })"),
            ("cases", "document.querySelector('#cases').scrollIntoView()"),
            ("case", "document.querySelector('.case-link').click()"),
            ("runs", "document.querySelector('#times').scrollIntoView()"),
        ] {
            browser.eval(script);
            picture(browser, &format!("{what}-{width}-{scheme}"));
            let wide = browser.eval("document.documentElement.scrollWidth");
            assert_eq!(wide, width, "{what} at {width} pixels: the page does not scroll sideways");
        }
        assert_eq!(browser.eval(TOO_FAINT), "", "{width} pixels, {scheme}");
        assert_no_errors(browser);
    }
}

fn a_link_opens(browser: &mut Browser, page: &Path) {
    for width in WIDTHS {
        browser.open(page, "#case-40", width, false);
        assert_eq!(opened(browser), 1);
        let top =
            browser.eval("document.querySelector('#case-40').getBoundingClientRect().top").as_f64().expect("a number");
        assert!((0.0..900.0).contains(&top), "{width} pixels: the case is at {top}");
        picture(browser, &format!("link-{width}"));
    }
}

fn picture(browser: &mut Browser, name: &str) {
    let picture = browser.picture();
    let Some(dir) = std::env::var_os("SCREENSHOTS").map(PathBuf::from) else { return };
    let bytes = STANDARD.decode(picture).expect("it is base64");
    std::fs::write(dir.join(format!("{name}.png")), bytes).expect("the directory of the pictures is there");
}
