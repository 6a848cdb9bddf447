use super::*;
use crate::exit_code::ExitCode;
use crate::judge::verdict::Verdict;
use crate::report::matrix::Cell;
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
