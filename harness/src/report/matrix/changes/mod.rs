//! What a series changes: every case on a kernel without it, against the same case on the same kernel with it.
//!
//! It says `same` only about a case that was judged on both.

use std::collections::BTreeSet;

use cases::protocol::CaseKey;
use serde::Serialize;
use similar::TextDiff;

use super::table::needs_derive;
use super::{Cell, CellOutcome, Matrix, UNPATCHED};
use crate::judge::verdict::{CaseVerdict, Verdict};
use crate::report::run_report::RunReport;

/// The change of one case on one exporter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "change", rename_all = "kebab-case")]
pub enum CaseChange {
    /// It was skipped because it needs the ioctl, and is judged now.
    New {
        /// The word of its verdict.
        word: String,
    },
    /// The same verdict and, line by line, the same transcript.
    Same,
    /// Judged on both, with different results: the series changes existing behaviour.
    Altered {
        /// The word of its verdict without the series.
        before: String,
        /// The word of its verdict with it.
        after: String,
        /// The diff between the two transcripts.
        diff: String,
    },
    /// It applies only to kernels without the ioctl.
    Gone,
    /// Not judged with the series, without it, or both.
    NotJudged {
        /// Why, for each of the two runs.
        why: String,
    },
}

/// One kernel and flavour without a series and with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SeriesComparison {
    /// Id of the kernel.
    pub kernel: String,
    /// The series.
    pub series: String,
    /// Flavour of the configuration.
    pub flavour: String,
    /// Every case of either run, in the order of the suite; or why there is nothing to compare.
    pub changes: Result<Vec<(CaseKey, CaseChange)>, String>,
}

/// How many cases have each change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ChangeCounts {
    /// [`CaseChange::New`].
    pub new: usize,
    /// [`CaseChange::Same`].
    pub same: usize,
    /// [`CaseChange::Altered`].
    pub altered: usize,
    /// [`CaseChange::Gone`].
    pub gone: usize,
    /// [`CaseChange::NotJudged`].
    pub not_judged: usize,
}

impl SeriesComparison {
    /// Counts the changes.
    pub fn counts(&self) -> ChangeCounts {
        let mut counts = ChangeCounts::default();
        for (_, change) in self.changes.iter().flatten() {
            *match change {
                CaseChange::New { .. } => &mut counts.new,
                CaseChange::Same => &mut counts.same,
                CaseChange::Altered { .. } => &mut counts.altered,
                CaseChange::Gone => &mut counts.gone,
                CaseChange::NotJudged { .. } => &mut counts.not_judged,
            } += 1;
        }
        counts
    }
}

/// One comparison for every cell with a series, in the order of the cells. Kernels without such a cell are left out.
pub fn of(matrix: &Matrix) -> Vec<SeriesComparison> {
    let patched = matrix.cells.iter().filter(|cell| cell.place.series != UNPATCHED);
    patched.filter_map(|cell| compare(matrix, cell)).collect()
}

fn compare(matrix: &Matrix, patched: &Cell) -> Option<SeriesComparison> {
    let place = &patched.place;
    let beside = |cell: &&Cell| {
        let other = &cell.place;
        other.series == UNPATCHED && other.kernel == place.kernel && other.flavour == place.flavour
    };
    // Of several runs of one kernel, the last.
    let unpatched = matrix.cells.iter().rfind(beside)?;
    let changes = match (unpatched.report(), patched.report()) {
        (Some(before), Some(after)) if before.setting.version != after.setting.version => Err(format!(
            "the one without it is of Linux {}, the one with it of {}",
            before.setting.version, after.setting.version
        )),
        (Some(before), Some(after)) => Ok(changes(before, after)),
        (None, _) => Err(format!("without it, {}", why_not(&unpatched.outcome))),
        (_, None) => Err(format!("with it, {}", why_not(&patched.outcome))),
    };
    let (kernel, series, flavour) = (place.kernel.clone(), place.series.clone(), place.flavour.clone());
    Some(SeriesComparison { kernel, series, flavour, changes })
}

fn why_not(outcome: &CellOutcome) -> String {
    match outcome {
        CellOutcome::Failed { error, .. } => error.lines().next().unwrap_or_default().to_string(),
        CellOutcome::NotRun { why } => why.clone(),
        CellOutcome::Empty | CellOutcome::Ran(_) => "none of the chosen cases applies to the kernel".into(),
    }
}

fn changes(before: &RunReport, after: &RunReport) -> Vec<(CaseKey, CaseChange)> {
    let keys = |report: &RunReport| -> BTreeSet<CaseKey> {
        report.verdicts.iter().map(|verdict| verdict.key.clone()).chain(report.elsewhere.iter().cloned()).collect()
    };
    let all: BTreeSet<CaseKey> = keys(before).union(&keys(after)).cloned().collect();
    // Cases that this version of the suite does not have come last.
    let order: Vec<CaseKey> = cases::suite::keys_on_all_exporters().collect();
    let mut all: Vec<CaseKey> = all.into_iter().collect();
    all.sort_by_key(|key| order.iter().position(|known| known == key).unwrap_or(order.len()));
    // Cases that apply to other kernels only say nothing about the series.
    all.retain(|key| !(before.elsewhere.contains(key) && after.elsewhere.contains(key)));
    all.into_iter().map(|key| (key.clone(), change(Side::of(before, &key), Side::of(after, &key)))).collect()
}

/// What one run says about a case.
enum Side<'a> {
    /// It ran to its end and was judged.
    Judged(&'a CaseVerdict),
    /// Skipped because the ioctl is missing, as expected.
    NeedsDerive,
    /// It applies to other kernels only.
    Elsewhere,
    /// Anything else.
    Unknown(String),
}

impl<'a> Side<'a> {
    fn of(report: &'a RunReport, key: &CaseKey) -> Self {
        if report.elsewhere.contains(key) {
            return Side::Elsewhere;
        }
        let Some(found) = report.verdicts.iter().find(|verdict| verdict.key == *key) else {
            return Side::Unknown("it was not chosen".into());
        };
        let ended = found.run.as_ref().is_some_and(|run| run.outcome.is_some());
        match &found.verdict {
            verdict if needs_derive(verdict) => Side::NeedsDerive,
            Verdict::Skipped { need, .. } => Side::Unknown(format!("skipped because {need} is missing")),
            Verdict::UnexpectedSkip { need, .. } => {
                Side::Unknown(format!("skipped unexpectedly because {need} is missing"))
            }
            Verdict::Broken { .. }
            | Verdict::Lost { .. }
            | Verdict::NotRun { .. }
            | Verdict::Blocked { .. }
            | Verdict::Flaky { .. } => Side::Unknown(found.verdict.word().into()),
            // A violation before the guest was lost says nothing about the rest of the case.
            _ if !ended => Side::Unknown(format!("{}, and the guest was lost", found.verdict.word())),
            _ => Side::Judged(found),
        }
    }

    fn text(&self) -> String {
        match self {
            Side::Judged(verdict) => verdict.verdict.word().into(),
            Side::NeedsDerive => "skipped because derive is missing".into(),
            Side::Elsewhere => "it applies to other kernels only".into(),
            Side::Unknown(why) => why.clone(),
        }
    }
}

fn change(before: Side<'_>, after: Side<'_>) -> CaseChange {
    match (&before, &after) {
        (Side::NeedsDerive, Side::Judged(after)) => CaseChange::New { word: after.verdict.word().into() },
        (Side::Judged(_), Side::Elsewhere) => CaseChange::Gone,
        (Side::Judged(before), Side::Judged(after)) => {
            let (one, other) = (told(before), told(after));
            if one == other {
                return CaseChange::Same;
            }
            let (before, after) = (before.verdict.word().into(), after.verdict.word().into());
            let diff = TextDiff::from_lines(&one, &other);
            let diff = diff.unified_diff().context_radius(1).header("without", "with").to_string();
            CaseChange::Altered { before, after, diff }
        }
        _ => CaseChange::NotJudged { why: format!("without: {}; with: {}", before.text(), after.text()) },
    }
}

/// The part of a verdict that describes behaviour. The sentences of a known defect may contain counts that differ between runs.
fn told(verdict: &CaseVerdict) -> String {
    let mut text = format!("verdict {}\n", verdict.verdict.word());
    if let Verdict::Failed { reasons } = &verdict.verdict {
        reasons.iter().for_each(|reason| text += &format!("violated: {reason}\n"));
    }
    text + &verdict.run.as_ref().map(|run| run.text()).unwrap_or_default()
}

/// The altered cases of several kernels: each difference once, with the kernels that have it.
pub fn altered(comparisons: &[SeriesComparison]) -> Vec<(&CaseKey, &CaseChange, Vec<&SeriesComparison>)> {
    fold(comparisons, |change| matches!(change, CaseChange::Altered { .. }))
}

/// Cases that were not judged on both, as [`altered`].
pub fn not_judged(comparisons: &[SeriesComparison]) -> Vec<(&CaseKey, &CaseChange, Vec<&SeriesComparison>)> {
    fold(comparisons, |change| matches!(change, CaseChange::NotJudged { .. }))
}

fn fold(
    comparisons: &[SeriesComparison],
    which: fn(&CaseChange) -> bool,
) -> Vec<(&CaseKey, &CaseChange, Vec<&SeriesComparison>)> {
    let mut folded: Vec<(&CaseKey, &CaseChange, Vec<&SeriesComparison>)> = Vec::new();
    for comparison in comparisons {
        for (key, change) in comparison.changes.iter().flatten().filter(|(_, change)| which(change)) {
            match folded.iter_mut().find(|(known, same, _)| *known == key && *same == change) {
                Some((.., places)) => places.push(comparison),
                None => folded.push((key, change, vec![comparison])),
            }
        }
    }
    folded
}

#[cfg(test)]
mod tests;
