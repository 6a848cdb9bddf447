use super::*;
use crate::exit_code::ExitCode;
use crate::findings::samples::checked;
use crate::judge::verdict::Verdict;
use crate::report::matrix::Cell;
use crate::report::matrix::findings::tests::{found, three_defects};
use crate::report::matrix::tests::{failed, ran};
use crate::report::run_report::RunReport;
use crate::report::run_report::tests::report;

fn page(reports: &[RunReport]) -> String {
    render(&Matrix::new(reports.iter().cloned().map(Cell::ran).collect())).unwrap()
}

#[test]
fn kernel_text_is_never_markup() {
    let evil = "</script><script>alert(1)</script><img src=x onerror=alert(2)>&\"'".to_string();
    let mut run = report(vec![Verdict::Failed { reasons: vec![evil.clone()] }, Verdict::Broken { why: evil.clone() }]);
    run.protocol_errors.push(evil.clone());
    run.setting.origin = evil.clone();
    run.setting.series = evil;
    let page = page(&[run]);
    assert_eq!(page.matches("<script").count(), 2, "the data and the script of the page, and no other");
    assert_eq!(page.matches("</script").count(), 2);
    assert!(!page.contains("<img"));
    assert!(page.contains("&lt;img src=x onerror=alert(2)&gt;"));
}

#[test]
fn the_policy_names_the_script_and_the_style_of_the_page_and_nothing_else() {
    let page = page(&[report(vec![Verdict::Pass])]);
    for (element, kind) in [("<script>", "script-src"), ("<style>", "style-src")] {
        let text = page.split_once(element).unwrap().1;
        let text = text.split_once(&element.replace('<', "</")).unwrap().0;
        assert!(page.contains(&format!("{kind} 'sha256-{}'", hash(text))), "{kind}");
    }
    for outside in ["http://", "https://", "//cdn", "url("] {
        assert!(!page.contains(outside), "{outside}");
    }
    assert!(!page.contains(" style=\"") && !page.contains(" onclick="), "the policy forbids these");
}

#[test]
fn a_problem_leads_to_its_case_and_to_the_command_that_repeats_it() {
    let failed = Verdict::Failed { reasons: vec!["O_RDWR was granted".into()] };
    let one = report(vec![Verdict::Pass, failed.clone()]);
    let mut other = report(vec![Verdict::Pass, failed]);
    other.setting.series = "/series/my-series/".into();
    let page = page(&[one, other]);
    assert!(page.contains("href=\"#case-1\" data-case=\"1\""), "{page}");
    assert!(page.contains("7.2-derive-sanitized, 7.2-my-series-sanitized"), "the same on both is one line");
    assert!(page.contains("cargo xtask test --exact rights/case_1@udmabuf"));
    assert!(page.contains("a contract clause is violated"));
}

#[test]
fn a_run_without_problems_says_so() {
    let page = page(&[report(vec![Verdict::Pass])]);
    assert!(page.contains("None. Every planned case ended as expected."));
    assert!(!page.contains("id=\"changes\""));
}

#[test]
fn a_run_without_a_report_is_a_column_and_a_problem() {
    let cells = vec![ran("7.2", "none", vec![Verdict::Pass]), failed("7.2", "derive", ExitCode::Patch)];
    let page = render(&Matrix::new(cells)).unwrap();
    assert!(page.contains("no report of 7.2-derive-sanitized") && page.contains("does not apply"), "{page}");
    assert!(page.contains(">?<"), "the column says that nothing is known");
    assert!(page.contains("nothing to compare"));
}

/// A page with slashes as they are shown.
fn plain(matrix: &Matrix) -> String {
    render(matrix).unwrap().replace("&#x2f;", "/")
}

/// The text between two markers, the second after the first.
fn between<'a>(page: &'a str, from: &str, to: &str) -> &'a str {
    let rest = page.split_once(from).unwrap_or_else(|| panic!("no {from}")).1;
    rest.split_once(to).unwrap_or_else(|| panic!("no {to}")).0
}

#[test]
fn findings_are_above_the_cases_the_worst_first_and_with_their_evidence() {
    let page = plain(&Matrix::new(vec![found("7.2", three_defects())]));
    let places: Vec<usize> =
        ["id=\"finding-1\"", "id=\"finding-2\"", "id=\"finding-3\"", "<section id=\"problems\"", "<tr class=\"case\""]
            .map(|part| page.find(part).unwrap_or_else(|| panic!("no {part}")))
            .to_vec();
    assert!(places.is_sorted(), "{places:?}");
    let part = |from: &str, to: &str| between(&page, from, to);
    let worst = part("id=\"finding-1\"", "id=\"finding-2\"");
    for text in [
        "open>",
        "<span class=\"word grave\">memory corruption</span> <strong>L-3</strong>",
        "2 cases",
        "Importing through any descriptor",
        "BUG: KASAN: slab-use-after-free",
        "cargo xtask test --exact lifetime/importer_steps@udmabuf --kernel 7.2",
    ] {
        assert!(worst.contains(text), "{text:?} is not in {worst}");
    }
    let second = part("id=\"finding-2\"", "id=\"finding-3\"");
    assert!(second.contains("class=\"bad\">check  RO alias: O_RDWR is EACCES"), "{second}");
    // What it explains is folded under it, with a link to the case.
    let explained = between(second, "<details class=\"explains\">", "</details>");
    assert!(
        explained.contains("Explains 1 more violation<") && explained.contains("<strong>R-2</strong>"),
        "{explained}"
    );
    assert!(explained.contains("<code>rights/walk@udmabuf</code></a>"), "{explained}");
    let third = part("id=\"finding-3\"", "</section>");
    assert!(third.contains("<span class=\"word bad\">violation</span>") && !third.contains("explains"), "{third}");
}

#[test]
fn a_case_names_its_findings_and_problems_are_what_is_in_none() {
    let page = plain(&Matrix::new(vec![found("7.2", three_defects())]));
    let row = |key: &str| {
        let rows = page.split("<tr class=\"case\"").skip(1).filter(|row| row.contains(&format!(">{key}</button>")));
        rows.map(|row| row.split_once("</tr>").unwrap().0.to_string()).next().unwrap_or_else(|| panic!("no {key}"))
    };
    for (key, findings) in [
        ("lifetime/importer_steps@udmabuf", Some("1")),
        ("rights/derive_table@udmabuf", Some("2")),
        ("rights/walk@udmabuf", Some("2")),
        ("uapi/status_flags@udmabuf", Some("3")),
        ("rights/walk@system-heap", None),
        ("fences/importer_fence@udmabuf", None),
    ] {
        let wanted = findings.map(|number| format!("data-findings=\"{number}\""));
        let row = row(key);
        assert_eq!(row.contains("data-findings"), wanted.is_some(), "{row}");
        assert!(wanted.is_none_or(|wanted| row.contains(&wanted)), "{row}");
    }
    let problems = between(&page, "<section id=\"problems\"", "</section>");
    assert!(problems.contains("Other problems") && problems.contains("BROKEN R-2"), "{problems}");
    assert!(!problems.contains("FAIL "), "{problems}");
    // Blocked cases are counted, and coloured as what was not judged.
    assert!(page.contains("3 findings. 1 run: 0 passed, 7 failed, 2 blocked, 0 skipped"));
    assert!(row("fences/importer_fence@udmabuf").contains("<span class=\"word note\">blocked</span>"));
    let clauses = between(&page, "<section id=\"clauses\"", "</section>");
    assert!(clauses.contains("class=\"word note clause-link\" href=\"#cases\" data-clause=\"F-6\""), "{clauses}");
}

#[test]
fn what_was_not_run_is_counted_among_the_failed() {
    let unrun = || Verdict::NotRun { why: "interrupted".into() };
    let page = page(&[report(vec![Verdict::Pass, unrun(), unrun(), Verdict::Broken { why: "x".into() }])]);
    assert!(page.contains("1 run: 1 passed, 3 failed (2 of them not run), 0 skipped"));
}

#[test]
fn a_finding_of_two_runs_is_shown_once_with_both() {
    let page = render(&Matrix::new(vec![found("6.12", three_defects()), found("7.2", three_defects())])).unwrap();
    assert_eq!(page.matches("<details class=\"finding ").count(), 3);
    assert!(page.contains("2 cases on 6.12-derive-sanitized, 7.2-derive-sanitized"));
}

#[test]
fn a_finding_is_never_markup() {
    let evil = "</pre></details><script>alert(1)</script><img src=x onerror=alert(2)>";
    let mut verdict = checked("rights/derive_table@udmabuf", evil, evil);
    verdict.clause = evil.into();
    let mut cell = found("7.2", vec![verdict]).report().unwrap().clone();
    cell.findings[0].kernel_log = vec![evil.into()];
    cell.findings[0].cases.push(cases::protocol::CaseKey(evil.into()));
    let page = render(&Matrix::new(vec![Cell::ran(cell)])).unwrap();
    assert_eq!(page.matches("<script").count(), 2, "the data and the script of the page, and no other");
    assert!(!page.contains("<img"));
    assert_eq!(page.matches("<details").count(), page.matches("</details>").count());
}

#[test]
fn a_run_without_findings_has_no_such_part() {
    let page = page(&[report(vec![Verdict::Pass])]);
    for part in ["id=\"findings\"", "id=\"finding\"", "#findings"] {
        assert!(!page.contains(part), "{part}");
    }
}
