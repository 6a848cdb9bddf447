use super::*;

use cases::protocol::Outcome as Ended;

use crate::exit_code::ExitCode;
use crate::judge::transcript::{CaseRun, TranscriptStep};
use crate::report::matrix::tests::{failed, ran};

fn skipped(need: &str) -> Verdict {
    Verdict::Skipped { need: need.into(), why: "ENOTTY".into() }
}

fn violated() -> Verdict {
    Verdict::Failed { reasons: vec!["a right is gained".into()] }
}

/// A cell whose cases ended with a transcript of one note each.
fn told(kernel: &str, series: &str, cases: &[(Verdict, &str)]) -> Cell {
    let mut cell = ran(kernel, series, cases.iter().map(|(verdict, _)| verdict.clone()).collect());
    let CellOutcome::Ran(report) = &mut cell.outcome else { unreachable!() };
    for (verdict, (_, note)) in report.verdicts.iter_mut().zip(cases) {
        let steps = vec![TranscriptStep::Note("size 4096".into()), TranscriptStep::Note((*note).into())];
        let outcome = Some(Ended::Pass);
        verdict.run = Some(CaseRun { key: verdict.key.clone(), steps, outcome, ms: 1, protocol_errors: Vec::new() });
    }
    cell
}

/// What became of the only case of two cells.
fn changed(before: Cell, after: Cell) -> CaseChange {
    let mut all = of(&Matrix::new(vec![before, after]));
    all.remove(0).changes.unwrap().remove(0).1
}

fn between(before: (Verdict, &str), after: (Verdict, &str)) -> CaseChange {
    changed(told("7.2", "none", &[before]), told("7.2", "derive", &[after]))
}

#[test]
fn what_needs_the_ioctl_is_new() {
    assert_eq!(between((skipped("derive"), ""), (Verdict::Pass, "")), CaseChange::New { word: "pass".into() });
    assert_eq!(between((skipped("derive"), ""), (violated(), "")), CaseChange::New { word: "FAIL".into() });
}

#[test]
fn the_same_is_the_same_verdict_and_the_same_transcript() {
    assert_eq!(between((Verdict::Pass, "x"), (Verdict::Pass, "x")), CaseChange::Same);
    let known = |reason: &str| Verdict::KnownDefect { reason: "x".into(), reasons: vec![reason.into()] };
    assert_eq!(between((known("4 pages"), "x"), (known("5 pages"), "x")), CaseChange::Same);
    let CaseChange::Altered { before, after, diff } = between((Verdict::Pass, "EACCES"), (Verdict::Pass, "ok")) else {
        panic!("not altered")
    };
    assert_eq!((before.as_str(), after.as_str()), ("pass", "pass"));
    assert!(diff.contains("--- without\n+++ with\n") && diff.contains("-note   EACCES\n+note   ok\n"), "{diff}");
}

#[test]
fn another_verdict_on_the_same_transcript_is_an_alteration() {
    let CaseChange::Altered { after, diff, .. } = between((Verdict::Pass, "x"), (violated(), "x")) else {
        panic!("not altered")
    };
    assert_eq!(after, "FAIL");
    assert!(diff.contains("-verdict pass\n+verdict FAIL\n+violated: a right is gained\n"), "{diff}");
    let other = Verdict::Failed { reasons: vec!["the kernel complained".into()] };
    assert!(matches!(between((violated(), "x"), (other, "x")), CaseChange::Altered { .. }));
}

#[test]
fn what_is_about_kernels_without_the_ioctl_is_gone() {
    let mut after = told("7.2", "derive", &[]);
    let CellOutcome::Ran(report) = &mut after.outcome else { unreachable!() };
    report.elsewhere.push(CaseKey::new("rights/case_0", "udmabuf"));
    let mut before = told("7.2", "none", &[(Verdict::Pass, "x")]);
    assert_eq!(changed(before.clone(), after.clone()), CaseChange::Gone);
    // Cases that apply to other kernels only say nothing about the series.
    let CellOutcome::Ran(report) = &mut before.outcome else { unreachable!() };
    report.elsewhere.extend(report.verdicts.drain(..).map(|verdict| verdict.key));
    assert_eq!(of(&Matrix::new(vec![before, after]))[0].changes, Ok(vec![]));
}

#[test]
fn cases_that_were_not_judged_on_both_are_not_compared() {
    let pass = || (Verdict::Pass, "x");
    let lost = Verdict::Lost { begun: true, how: "panic".into() };
    let flaky = Verdict::Flaky { seen: vec![], transcripts: 1, diff: String::new(), worst: Box::new(Verdict::Pass) };
    for verdict in [
        skipped("vgem"),
        Verdict::UnexpectedSkip { need: "derive".into(), why: "x".into() },
        Verdict::Broken { why: "x".into() },
        Verdict::NotRun { why: "x".into() },
        lost,
        flaky,
    ] {
        for change in [between((verdict.clone(), "x"), pass()), between(pass(), (verdict.clone(), "x"))] {
            assert!(matches!(change, CaseChange::NotJudged { .. }), "{verdict:?}: {change:?}");
        }
        assert!(matches!(between((verdict.clone(), "x"), (verdict, "x")), CaseChange::NotJudged { .. }));
    }
    // Both skipped because the ioctl is missing: the series does not add it.
    assert!(matches!(between((skipped("derive"), ""), (skipped("derive"), "")), CaseChange::NotJudged { .. }));
    // A case that one of the runs did not plan.
    assert!(matches!(
        changed(told("7.2", "none", &[pass()]), told("7.2", "derive", &[])),
        CaseChange::NotJudged { .. }
    ));
    // A violation in a guest that was lost then.
    let mut cut = told("7.2", "derive", &[(violated(), "x")]);
    let CellOutcome::Ran(report) = &mut cut.outcome else { unreachable!() };
    report.verdicts[0].run.as_mut().unwrap().outcome = None;
    let change = changed(told("7.2", "none", &[(violated(), "x")]), cut);
    assert_eq!(change, CaseChange::NotJudged { why: "without: FAIL; with: FAIL, and the guest was lost".into() });
}

#[test]
fn kernels_are_compared_with_themselves_only() {
    let pass = [(Verdict::Pass, "x")];
    let cells = vec![
        told("6.1", "none", &pass),
        told("6.1", "derive", &pass),
        told("7.2", "derive", &pass),
        told("7.3", "none", &pass),
        failed("7.3", "derive", ExitCode::Patch),
        told("6.12", "none", &pass),
    ];
    let all = of(&Matrix::new(cells));
    let kernels: Vec<&str> = all.iter().map(|comparison| comparison.kernel.as_str()).collect();
    assert_eq!(kernels, ["6.1", "7.3"]);
    assert_eq!(all[0].counts(), ChangeCounts { same: 1, ..ChangeCounts::default() });
    assert_eq!(all[1].changes, Err("with it, patch series: x.patch does not apply".into()));
    let mut other = told("6.1", "derive", &pass);
    let CellOutcome::Ran(report) = &mut other.outcome else { unreachable!() };
    report.setting.version = "6.1.200".into();
    let all = of(&Matrix::new(vec![told("6.1", "none", &pass), other]));
    assert!(all[0].changes.as_ref().unwrap_err().contains("6.1.200"));
}

#[test]
fn the_same_difference_on_several_kernels_is_one_line() {
    let cells = |kernel: &str, with: &str| {
        [told(kernel, "none", &[(Verdict::Pass, "a")]), told(kernel, "derive", &[(Verdict::Pass, with)])]
    };
    let matrix = Matrix::new([cells("6.1", "b"), cells("6.12", "b"), cells("7.2", "c")].concat());
    let comparisons = of(&matrix);
    let folded: Vec<Vec<&str>> = altered(&comparisons)
        .into_iter()
        .map(|(_, _, places)| places.into_iter().map(|place| place.kernel.as_str()).collect())
        .collect();
    assert_eq!(folded, [vec!["6.1", "6.12"], vec!["7.2"]]);
    assert!(not_judged(&comparisons).is_empty());
}
