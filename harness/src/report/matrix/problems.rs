//! What is not a pass and in no finding: each problem once, with all the cells that have it.

use std::collections::BTreeMap;

use cases::protocol::CaseKey;

use super::findings::named;
use super::{CellOutcome, Matrix};
use crate::exit_code::ExitCode;
use crate::judge::verdict::Verdict;
use crate::report::run_report::RunReport;

/// Maximum number of reasons shown for one verdict; its report has all of them.
const REASONS: usize = 4;

/// How serious it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// It fails the run.
    Error,
    /// A person has to look at it.
    Warning,
    /// It is as expected.
    Notice,
}

/// A problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// How serious it is.
    pub level: Level,
    /// `FAIL R-1  rights/derive_table@udmabuf`, or the cell that has no report.
    pub title: String,
    /// The case, or the first of several. None where it is about a whole cell.
    pub key: Option<CaseKey>,
    /// What happened, in sentences. It may contain text of the kernel.
    pub why: String,
    /// The cells that have it.
    pub cells: Vec<String>,
    /// The command that shows it again on the first of them; empty where nobody knows one, and for blocked cases.
    pub again: String,
}

/// All problems, the worst first, then in the order of the cells. What was not run is one problem for each reason. Cases that
/// a finding tells of are left out: [`super::findings::of`] has those.
pub fn of(matrix: &Matrix) -> Vec<Problem> {
    let mut problems: Vec<Problem> = Vec::new();
    let mut add = |problem: Problem| {
        let same = |known: &&mut Problem| known.title == problem.title && known.why == problem.why;
        match problems.iter_mut().find(same) {
            Some(known) if known.cells.last() == problem.cells.last() => {}
            Some(known) => known.cells.extend(problem.cells),
            None => problems.push(problem),
        }
    };
    for cell in &matrix.cells {
        let cells = vec![cell.place.id.clone()];
        let whole = |title: String, why: String| Problem {
            level: Level::Error,
            title,
            key: None,
            why,
            cells: cells.clone(),
            again: String::new(),
        };
        let report = match &cell.outcome {
            CellOutcome::Ran(report) => report,
            CellOutcome::Failed { error, .. } => {
                add(whole(format!("no report of {}", cell.place.id), error.clone()));
                continue;
            }
            CellOutcome::NotRun { why } => {
                add(whole("cells that were not run".into(), why.clone()));
                continue;
            }
            CellOutcome::Empty => continue,
        };
        for (clause, keys) in blocked(report) {
            let (names, more) = named(&keys);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let cases = if keys.len() == 1 { "1 case relies".into() } else { format!("{} cases rely", keys.len()) };
            let why = format!("{cases} on {clause}, which is violated: {}{more}", names.join(", "));
            let key = keys.first().cloned();
            add(Problem { level: Level::Warning, key, ..whole(format!("blocked by {clause}"), why) });
        }
        for verdict in &report.verdicts {
            if matches!(verdict.verdict, Verdict::Blocked { .. }) || report.is_in_a_finding(&verdict.key) {
                continue;
            }
            let Some(why) = why(&verdict.verdict) else { continue };
            let word = verdict.verdict.word();
            if let Verdict::NotRun { .. } = verdict.verdict {
                add(whole(format!("cases that were not run in {}", cell.place.id), why));
                continue;
            }
            add(Problem {
                level: level(&verdict.verdict),
                title: format!("{word} {}  {}", verdict.clause, verdict.key),
                key: Some(verdict.key.clone()),
                why,
                cells: cells.clone(),
                again: report.setting.again(verdict),
            });
        }
        if let Some(why) = report.without_lock_order() {
            add(Problem { level: Level::Warning, ..whole(format!("not checked in {}", cell.place.id), why) });
        }
        for error in &report.protocol_errors {
            add(whole(format!("protocol error in {}", cell.place.id), error.clone()));
        }
    }
    problems.sort_by_key(|problem| problem.level);
    // All cases with the same known defect are one problem.
    let mut folded: Vec<Problem> = Vec::new();
    for problem in problems {
        let same = |known: &&mut Problem| {
            known.level == Level::Notice && known.why == problem.why && known.cells == problem.cells
        };
        match (folded.iter_mut().find(same), &problem.key) {
            (Some(known), Some(key)) => known.title += &format!(", {key}"),
            _ => folded.push(problem),
        }
    }
    folded
}

/// The cases that were not run because they rely on a violated clause, by that clause.
fn blocked(report: &RunReport) -> BTreeMap<&str, Vec<CaseKey>> {
    let mut blocked: BTreeMap<&str, Vec<CaseKey>> = BTreeMap::new();
    for verdict in &report.verdicts {
        if let Verdict::Blocked { by } = &verdict.verdict {
            blocked.entry(by).or_default().push(verdict.key.clone());
        }
    }
    blocked
}

fn level(verdict: &Verdict) -> Level {
    match verdict.exit_code() {
        ExitCode::AsExpected => Level::Notice,
        ExitCode::Unreviewed => Level::Warning,
        _ => Level::Error,
    }
}

/// The changed lines of a difference, without the two that name its sides.
fn changed(diff: &str) -> String {
    diff.lines().skip(2).filter(|line| line.starts_with(['-', '+'])).collect::<Vec<_>>().join(" ")
}

/// What happened, in sentences; `None` for a verdict that needs no explanation.
pub(crate) fn why(verdict: &Verdict) -> Option<String> {
    Some(match verdict {
        Verdict::Pass | Verdict::ExpectedHazard { .. } | Verdict::Skipped { .. } => return None,
        Verdict::KnownDefect { reason, .. } => format!("a known defect of this kernel, not of the series: {reason}"),
        Verdict::DefectGone { reason } => format!("a known defect of this kernel did not show: {reason}"),
        Verdict::HazardGone => "the documented limit is gone; was it closed on purpose?".into(),
        Verdict::Breaks { reasons } => format!("broken, as the series declares: {}", reasons.join("; ")),
        Verdict::Unbroken => "the series declares this control broken, but it holds".into(),
        Verdict::UnexpectedSkip { need, why } => {
            format!("skipped because {need} is missing, which this kernel should have: {why}")
        }
        Verdict::Failed { reasons } if reasons.len() > REASONS => {
            format!("{}; and {} more", reasons[..REASONS].join("; "), reasons.len() - REASONS)
        }
        Verdict::Failed { reasons } => reasons.join("; "),
        Verdict::Differs { diff } => {
            format!("the transcript differs from the reviewed one: {}", changed(diff))
        }
        Verdict::Recorded { diff } => {
            format!("it does something else than the reviewed kernels, and no clause says what: {}", changed(diff))
        }
        Verdict::Unreviewed => "this transcript has not been reviewed yet".into(),
        Verdict::Broken { why } => format!("the case could not be set up: {why}"),
        Verdict::Lost { how, .. } => format!("the guest was lost: {how}"),
        Verdict::NotRun { why } => why.clone(),
        Verdict::Blocked { by } => format!("it relies on {by}, which is violated"),
        flaky @ Verdict::Flaky { worst, .. } => {
            let worst = self::why(worst).map(|why| format!("; the worst: {why}")).unwrap_or_default();
            format!("different results in different runs: {}{worst}", flaky.sightings().unwrap_or_default())
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::matrix::tests::{failed, ran};

    #[test]
    fn a_problem_of_several_cells_is_one_and_the_worst_come_first() {
        let violated = || Verdict::Failed { reasons: vec!["a right is gained".into(), "and another".into()] };
        let unrun = || Verdict::NotRun { why: "interrupted".into() };
        let known = Verdict::KnownDefect { reason: "x".into(), reasons: vec!["y".into()] };
        let matrix = Matrix::new(vec![
            ran("6.1", "derive", vec![Verdict::Pass, known.clone(), violated(), known]),
            ran("7.2", "derive", vec![Verdict::Unreviewed, Verdict::Pass, violated(), unrun(), unrun()]),
            failed("7.3", "derive", ExitCode::Patch),
        ]);
        let problems = of(&matrix);
        let told: Vec<_> = problems.iter().map(|one| (one.level, one.title.as_str(), one.cells.len())).collect();
        assert_eq!(
            told,
            [
                (Level::Error, "FAIL R-3  rights/case_2@udmabuf", 2),
                (Level::Error, "cases that were not run in 7.2-derive-sanitized", 1),
                (Level::Error, "no report of 7.3-derive-sanitized", 1),
                (Level::Warning, "NEW R-1  rights/case_0@udmabuf", 1),
                (Level::Notice, "KNOWN R-2  rights/case_1@udmabuf, rights/case_3@udmabuf", 1),
            ]
        );
        assert_eq!(problems[0].why, "a right is gained; and another");
        assert_eq!(problems[0].again, "cargo xtask test --exact rights/case_2@udmabuf --kernel 7.2");
    }
}
