use quick_junit::Report;

use super::*;
mod reader;
mod schema;
use crate::judge::transcript::{CaseRun, TranscriptStep};
use crate::judge::verdict::VerdictCount;
use crate::report::matrix::tests::{failed, ran};
use crate::report::run_report::tests::report;

/// The text as another program reads it: the name and the result of each test.
fn read(xml: &str) -> Vec<(String, &'static str)> {
    let report = Report::deserialize_from_str(xml).expect("it is JUnit");
    let kind = |case: &TestCase| match &case.status {
        TestCaseStatus::Success { .. } => "passed",
        TestCaseStatus::Skipped { .. } => "skipped",
        TestCaseStatus::NonSuccess { kind: NonSuccessKind::Failure, .. } => "failed",
        TestCaseStatus::NonSuccess { kind: NonSuccessKind::Error, .. } => "error",
    };
    let cases = report.test_suites.iter().flat_map(|suite| &suite.test_cases);
    cases.map(|case| (case.name.as_str().to_string(), kind(case))).collect()
}

fn flaky(worst: Verdict) -> Verdict {
    let seen =
        vec![VerdictCount { word: "pass".into(), times: 9 }, VerdictCount { word: worst.word().into(), times: 1 }];
    Verdict::Flaky { seen, transcripts: 2, diff: String::new(), worst: Box::new(worst) }
}

/// Every verdict, and how a test with it has to be read.
fn verdicts() -> Vec<(Verdict, &'static str)> {
    let said = || "said".to_string();
    vec![
        (Verdict::Pass, "passed"),
        (Verdict::ExpectedHazard { reason: said() }, "passed"),
        (Verdict::Skipped { need: said(), why: said() }, "skipped"),
        (Verdict::KnownDefect { reason: said(), reasons: vec![said()] }, "skipped"),
        (Verdict::Failed { reasons: vec![said()] }, "failed"),
        (Verdict::Differs { diff: "-a\n+b\n".into() }, "failed"),
        (Verdict::Unreviewed, "failed"),
        (Verdict::HazardGone, "failed"),
        (Verdict::DefectGone { reason: said() }, "failed"),
        (flaky(Verdict::Failed { reasons: vec![said()] }), "failed"),
        (flaky(Verdict::Pass), "error"),
        (Verdict::UnexpectedSkip { need: said(), why: said() }, "error"),
        (Verdict::Broken { why: said() }, "error"),
        (Verdict::Lost { begun: true, how: said() }, "error"),
        (Verdict::NotRun { why: said() }, "error"),
    ]
}

#[test]
fn a_failure_is_of_the_kernel_and_an_error_is_of_the_run() {
    let all = verdicts();
    let run = report(all.iter().map(|(verdict, _)| verdict.clone()).collect());
    let kinds: Vec<&str> =
        read(&render(&Matrix::new(vec![Cell::ran(run)])).unwrap()).into_iter().map(|(_, kind)| kind).collect();
    let wanted: Vec<&str> = all.iter().map(|(_, kind)| *kind).collect();
    assert_eq!(kinds, wanted);
}

#[test]
fn a_cell_without_a_report_is_one_error() {
    let not_run =
        Cell { outcome: CellOutcome::NotRun { why: "interrupted".into() }, ..failed("7.3", "x", ExitCode::Build) };
    let empty = Cell { outcome: CellOutcome::Empty, ..failed("7.3", "y", ExitCode::Build) };
    let matrix = Matrix::new(vec![failed("7.2", "derive", ExitCode::Patch), not_run, empty]);
    let wanted = [("no report", "error"), ("not run", "error"), ("nothing to run", "skipped")];
    assert_eq!(read(&render(&matrix).unwrap()), wanted.map(|(name, kind)| (name.to_string(), kind)));
}

#[test]
fn a_protocol_error_is_a_separate_error() {
    let mut run = report(vec![Verdict::Pass]);
    run.protocol_errors.push("a record is missing".into());
    let tests = read(&render(&Matrix::new(vec![Cell::ran(run)])).unwrap());
    assert_eq!(tests[1], ("protocol".to_string(), "error"));
}

#[test]
fn what_xml_cannot_hold_is_replaced_and_nothing_else_is_lost() {
    let evil = "a\u{1b}[31mred\u{9b}2J \0 \u{7}\tb\u{ffff}\u{2028} </system-out>]]><![CDATA[&amp; \u{1f600}";
    let mut run = report(vec![Verdict::Failed { reasons: vec![evil.into()] }]);
    let key = run.verdicts[0].key.clone();
    run.verdicts[0].run = Some(CaseRun {
        key,
        steps: vec![TranscriptStep::Note(evil.into())],
        outcome: None,
        ms: 1500,
        protocol_errors: vec![],
    });
    let xml = render(&Matrix::new(vec![Cell::ran(run)])).unwrap();
    let forbidden = |c: char| c != '\n' && is_unprintable(c);
    assert!(!xml.contains(forbidden), "{xml:?}");
    let back = Report::deserialize_from_str(&xml).expect("it is JUnit");
    let case = &back.test_suites[0].test_cases[0];
    let kept =
        "a\u{fffd}[31mred\u{fffd}2J \u{fffd} \u{fffd}    b\u{fffd}\u{fffd} </system-out>]]><![CDATA[&amp; \u{1f600}";
    let out = case.system_out.as_ref().unwrap().as_str();
    assert!(out.contains(kept), "{out}");
    let TestCaseStatus::NonSuccess { message, .. } = &case.status else { panic!("{:?}", case.status) };
    assert_eq!(message.as_ref().unwrap().as_str(), kept);
    assert_eq!(case.time, Some(Duration::from_millis(1500)));
}

#[test]
fn two_cells() {
    let failure = Verdict::Failed { reasons: vec!["O_RDWR was granted".into(), "so was O_WRONLY".into()] };
    let cells = vec![
        ran("7.2", "none", vec![Verdict::Pass, Verdict::Skipped { need: "derive".into(), why: "ENOTTY".into() }]),
        ran("7.2", "derive", vec![Verdict::Pass, failure]),
    ];
    insta::assert_snapshot!(render(&Matrix::new(cells)).unwrap());
}

/// Jenkins rejects what does not keep to its schema.
#[test]
fn every_report_keeps_to_the_schema_of_jenkins() {
    let mut run = report(crate::report::schema::verdicts());
    run.protocol_errors.push("a record is missing".into());
    let empty = Cell { outcome: CellOutcome::Empty, ..failed("7.3", "y", ExitCode::Build) };
    let cells = vec![Cell::ran(run), failed("7.2", "derive", ExitCode::Patch), empty, Cell::ran(report(Vec::new()))];
    let xml = render(&Matrix::new(cells)).unwrap();
    assert_eq!(schema::faults(&xml), Vec::<String>::new());
    for (from, to) in [
        ("<testsuites ", "<testsuites skipped=\"1\" "),
        ("<testcase ", "<testcase verdict=\"ok\" "),
        ("</testcase>", "<properties/></testcase>"),
        ("tests=", "test="),
    ] {
        assert!(!schema::faults(&xml.replace(from, to)).is_empty(), "{to} is not noticed");
    }
}

#[test]
fn a_run_without_cases_is_an_error() {
    let tests = read(&render(&Matrix::new(vec![Cell::ran(report(Vec::new()))])).unwrap());
    assert_eq!(tests, [("run".to_string(), "error")]);
}
