//! What the terminal shows of runs that are right and wrong.

use super::*;
use crate::judge::verdict::VerdictCount;
use crate::patch::series::claims::Claims;
use crate::report::run_report::tests::report;
use crate::session::rounds::RoundsSummary;
use cases::protocol::{CaseKey, Outcome};

fn text(report: &RunReport) -> String {
    render(report, Style::Plain, false, |verdict| format!("cargo xtask test ={}", verdict.key))
}

#[test]
fn all_is_well_on_one_screen() {
    let hazard = Verdict::ExpectedHazard { reason: "x".into() };
    let skipped = Verdict::Skipped { need: "no-derive".into(), why: "it is there".into() };
    insta::assert_snapshot!(text(&report(vec![Verdict::Pass, hazard, skipped])));
}

#[test]
fn a_failure_shows_clause_line_and_kernel_log() {
    let mut report = report(vec![Verdict::Failed { reasons: vec!["a sentence: O_RDWR was granted".into()] }]);
    let key = CaseKey::new("rights/derive_table", "udmabuf");
    report.verdicts[0].key = key.clone();
    report.verdicts[0].run = Some(CaseRun {
        key,
        steps: vec![
            TranscriptStep::Call { text: "derive(alias, O_RDWR)".into(), result: Some("alias 2".into()) },
            TranscriptStep::Check {
                sentence: "a sentence".into(),
                holds: false,
                detail: "O_RDWR was granted".into(),
                clause: None,
            },
        ],
        outcome: Some(Outcome::Fail),
        ms: 5,
        protocol_errors: Vec::new(),
    });
    let console = "[    1.000000] BUG: KASAN: slab-use-after-free in dma_buf_poll+0x1b/0x2f0\n\u{1b}[2J\n";
    report.verdicts[0].complaints = crate::judge::complaint::scan(console.as_bytes());
    insta::assert_snapshot!(text(&report));
}

#[test]
fn flaky_and_unrun_cases_are_named_as_what_they_are() {
    let flaky = Verdict::Flaky {
        seen: vec![VerdictCount { word: "pass".into(), times: 99 }, VerdictCount { word: "FAIL".into(), times: 1 }],
        transcripts: 2,
        diff: "--- usual\n+++ worst\n-check  a   ok\n+check  a   FAILED: b\n".into(),
        worst: Box::new(Verdict::Failed { reasons: vec!["a: b".into()] }),
    };
    let unrun = Verdict::NotRun { why: "stopped by --fail-fast".into() };
    let mut report = report(vec![Verdict::Pass, flaky, unrun.clone(), unrun]);
    report.rounds = Some(RoundsSummary { run: 100, asked: Some(100), identical: 3, deviating: vec![41] });
    insta::assert_snapshot!(text(&report));
}

#[test]
fn a_known_defect_has_lines_of_its_own() {
    let known = Verdict::KnownDefect { reason: "f() forgets a page".into(), reasons: vec!["a page is left".into()] };
    let gone = Verdict::DefectGone { reason: "g() forgets a file".into() };
    insta::assert_snapshot!(text(&report(vec![Verdict::Pass, known.clone(), known, gone])));
}

#[test]
fn rounds_that_were_all_alike() {
    let held = RoundsSummary { run: 100, asked: Some(100), identical: 140, deviating: vec![] };
    assert_eq!(rounds::line(&held, 140), "100 rounds: 140 verdicts and transcripts identical in all");
}

#[test]
fn an_allowed_complaint_is_shown_with_its_reason() {
    let mut report = report(vec![Verdict::Pass]);
    let mut complaints = crate::judge::complaint::scan(b"[    1.000000] refcount_t: underflow; use-after-free.\n");
    complaints[0].suppressed = Some("fixed in 6.13".into());
    report.verdicts[0].complaints = complaints;
    let text = text(&report);
    assert!(text.contains("allowed complaint in rights/") && text.contains("because fixed in 6.13"), "{text}");
    assert!(!text.contains("kernel log:") && text.contains("exit 0"), "{text}");
}

#[test]
fn the_last_line_counts() {
    let report = report(vec![Verdict::Pass, Verdict::Unreviewed]);
    assert_eq!(text(&report).lines().last(), Some("conformance: 1 passed, 1 failed, 0 skipped"));
}

#[test]
fn what_a_series_declares_is_shown() {
    let broken = || Verdict::Breaks { reasons: vec!["control: it reads: EACCES".into()] };
    let mut report = report(vec![Verdict::Pass, broken(), Verdict::Unbroken]);
    report.setting.series = "derive-closed".into();
    report.setting.claims = Claims::of(&["H-1".into()], &["C-1".into(), "C-2".into()]).unwrap();
    for (verdict, clause) in report.verdicts.iter_mut().zip(["H-1", "C-1", "C-2"]) {
        verdict.clause = clause.into();
    }
    insta::assert_snapshot!(text(&report));
}
