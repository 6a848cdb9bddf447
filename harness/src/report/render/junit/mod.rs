//! JUnit XML for Jenkins, GitLab and others: a test suite for each cell of a matrix, a test for each case.
//!
//! A test in this format is passed, skipped, failed or in error. A violation, and a transcript that needs a review, is a
//! failure. An error is a result that says nothing about the kernel. A known defect of a kernel is skipped, with its reason:
//! it is not a failure of the series, and must not look like a pass.

use std::sync::LazyLock;
use std::time::Duration;

use quick_junit::{NonSuccessKind, Property, Report, TestCase, TestCaseStatus, TestSuite};

use regex::Regex;

use super::is_unprintable;
use crate::error::{Context, ErrorKind, Result};
use crate::exit_code::ExitCode;
use crate::judge::verdict::{CaseVerdict, Verdict};
use crate::report::matrix::problems::why;
use crate::report::matrix::{Cell, CellOutcome, Matrix};
use crate::report::run_report::RunReport;

/// Renders a matrix.
///
/// # Errors
/// [`ErrorKind::Internal`] when it cannot be encoded.
pub fn render(matrix: &Matrix) -> Result<String> {
    let mut report = Report::new("dma-buf alias conformance");
    report.add_test_suites(matrix.cells.iter().map(suite));
    let xml = report.to_string().context(ErrorKind::Internal, || "encoding the report".into())?;
    Ok(without_skipped(&xml))
}

/// Removes an attribute of the root that the schema of Jenkins (junit-10.xsd) does not have.
fn without_skipped(xml: &str) -> String {
    static SKIPPED: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r#"(<testsuites\b[^>]*?) skipped="\d*""#).expect("a valid pattern"));
    SKIPPED.replace(xml, "$1").into_owned()
}

fn suite(cell: &Cell) -> TestSuite {
    let mut suite = TestSuite::new(text(&cell.place.id));
    let mut property = |name: &str, value: &str| {
        suite.add_property(Property::new(name, text(value)));
    };
    property("kernel", &cell.place.kernel);
    property("series", &cell.place.series);
    property("flavour", &cell.place.flavour);
    match &cell.outcome {
        CellOutcome::Ran(report) => {
            property("version", &report.setting.version);
            property("source", &report.setting.origin);
            property("processors", &report.setting.accel);
            suite.set_time(Duration::try_from_secs_f64(report.timing.guests).unwrap_or_default());
            suite.add_test_cases(report.verdicts.iter().map(|verdict| case(cell, report, verdict)));
            suite.add_test_cases(protocol_errors(cell, report));
            if report.verdicts.is_empty() {
                suite.add_test_case(whole(cell, "run", "nothing", "no case was run", ""));
            }
        }
        CellOutcome::Failed { exit, error } => {
            let title = error.lines().next().unwrap_or_default();
            suite.add_test_case(whole(cell, "no report", exit.meaning(), title, error));
        }
        CellOutcome::NotRun { why } => {
            suite.add_test_case(whole(cell, "not run", "unrun", why, why));
        }
        CellOutcome::Empty => {
            let mut status = TestCaseStatus::skipped();
            status.set_message("none of the chosen cases applies to this kernel");
            suite.add_test_case(named("nothing to run", cell.place.id.as_str(), status));
        }
    }
    suite
}

/// A test that represents a whole cell.
fn whole(cell: &Cell, name: &str, kind: &str, message: &str, description: &str) -> TestCase {
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
    status.set_type(text(kind)).set_message(text(message)).set_description(text(description));
    named(name, &cell.place.id, status)
}

/// An error if the guest violated the protocol: then its results are not reliable.
fn protocol_errors(cell: &Cell, report: &RunReport) -> Option<TestCase> {
    let first = report.protocol_errors.first()?;
    Some(whole(cell, "protocol", "protocol error", first, &report.protocol_errors.join("\n")))
}

fn case(cell: &Cell, report: &RunReport, verdict: &CaseVerdict) -> TestCase {
    let mut status = status(&verdict.verdict);
    status.set_type(verdict.verdict.word());
    status.set_message(text(&message(&verdict.verdict)));
    status.set_description(text(&description(report, verdict)));
    let mut case = named(&verdict.key.0, &format!("{}.{}", cell.place.id, verdict.clause), status);
    if let Some(run) = &verdict.run {
        case.set_time(Duration::from_millis(run.ms));
        case.set_system_out(text(&run.text()));
    }
    let kernel: Vec<&str> =
        verdict.complaints.iter().flat_map(|complaint| &complaint.lines).map(String::as_str).collect();
    if !kernel.is_empty() {
        case.set_system_err(text(&kernel.join("\n")));
    }
    case
}

fn named(name: &str, class: &str, status: TestCaseStatus) -> TestCase {
    let mut case = TestCase::new(text(name), status);
    case.set_classname(text(class));
    case
}

fn status(verdict: &Verdict) -> TestCaseStatus {
    match (verdict, verdict.exit_code()) {
        (Verdict::Skipped { .. } | Verdict::KnownDefect { .. } | Verdict::Blocked { .. }, _) => {
            TestCaseStatus::skipped()
        }
        (_, ExitCode::AsExpected) => TestCaseStatus::success(),
        (_, ExitCode::Violated | ExitCode::Unreviewed) => TestCaseStatus::non_success(NonSuccessKind::Failure),
        _ => TestCaseStatus::non_success(NonSuccessKind::Error),
    }
}

fn message(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Skipped { need, why } => format!("{need}: {why}"),
        verdict => why(verdict).and_then(|why| Some(why.lines().next()?.to_string())).unwrap_or_default(),
    }
}

/// The full explanation, for readers who see only this test.
fn description(report: &RunReport, verdict: &CaseVerdict) -> String {
    let mut lines: Vec<String> = why(&verdict.verdict).into_iter().collect();
    if let Verdict::Failed { reasons } | Verdict::KnownDefect { reasons, .. } = verdict.verdict.detailed() {
        lines = verdict.verdict.sightings().into_iter().chain(reasons.iter().cloned()).collect();
        if let Verdict::KnownDefect { reason, .. } = &verdict.verdict {
            lines.insert(0, format!("a known defect of this kernel, not of the series: {reason}"));
        }
    }
    if !verdict.verdict.is_as_expected() {
        lines.push(format!("again: {}", report.setting.again(verdict)));
    }
    lines.join("\n")
}

/// Replaces characters that XML 1.0 cannot represent (section 2.2, production 2): a broken kernel may print any byte. They
/// become a replacement character. A tab becomes spaces, because the library that writes the file would drop it.
fn text(text: &str) -> String {
    let allowed = |c: char| match c {
        '\n' => '\n',
        c if is_unprintable(c) => '\u{fffd}',
        c => c,
    };
    text.replace('\t', "    ").chars().map(allowed).collect()
}

#[cfg(test)]
mod tests;
