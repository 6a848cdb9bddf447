//! Several runs side by side: kernels x series x flavours, what each clause came to on each, and what a series changes.
//! Pure: it sees finished reports, and the errors of runs that never came to one.

pub mod changes;
pub mod file;
pub mod findings;
pub mod problems;
pub mod table;

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::exit_code::ExitCode;
use crate::report::run_report::{RunReport, RunSetting};

/// Version of the JSON form. Goes up when a field changes its meaning or goes away.
pub const SCHEMA: u32 = 1;
/// The series that changes nothing.
pub const UNPATCHED: &str = "none";

/// Where a cell of the matrix is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CellKey {
    /// A name that is no other cell's, and fit for a directory.
    pub id: String,
    /// Id of the kernel.
    pub kernel: String,
    /// Name of the series, or a path.
    pub series: String,
    /// Flavour of the configuration.
    pub flavour: String,
}

impl CellKey {
    /// The place with its plain name, such as `7.2-derive-sanitized`: of a path, the last part.
    pub fn new(kernel: &str, series: &str, flavour: &str) -> Self {
        let id = format!("{kernel}-{}-{flavour}", short(series));
        let safe = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' };
        let (kernel, series, flavour) = (kernel.to_string(), series.to_string(), flavour.to_string());
        CellKey { id: id.chars().map(safe).collect(), kernel, series, flavour }
    }

    /// Where a run was.
    pub fn of(setting: &RunSetting) -> Self {
        CellKey::new(&setting.kernel, &setting.series, &setting.flavour)
    }

    /// Tells places apart whose plain names are the same: the second is `-2`.
    pub fn number(places: &mut [CellKey]) {
        for index in 1..places.len() {
            let plain = places[index].id.clone();
            let taken = |places: &[CellKey], id: &str| places[..index].iter().any(|place| place.id == id);
            for number in 2.. {
                if !taken(places, &places[index].id) {
                    break;
                }
                places[index].id = format!("{plain}-{number}");
            }
        }
    }
}

/// A series as a heading shows it: of a path, the last part.
pub fn short(series: &str) -> &str {
    series.trim_end_matches('/').rsplit('/').next().unwrap_or(series)
}

/// What became of a cell.
#[derive(Clone, Debug, PartialEq)]
pub enum CellOutcome {
    /// It was run and judged.
    Ran(Box<RunReport>),
    /// It ended before there was a report.
    Failed {
        /// What it led to.
        exit: ExitCode,
        /// The error, in several lines.
        error: String,
    },
    /// None of the chosen cases is about this kernel.
    Empty,
    /// It had no chance.
    NotRun {
        /// What ended the matrix.
        why: String,
    },
}

impl CellOutcome {
    /// Of a run that ended in an error.
    pub fn failed(error: &Error) -> Self {
        CellOutcome::Failed { exit: error.exit_code(), error: error.to_string() }
    }
}

/// A cell.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    /// Where it is.
    pub place: CellKey,
    /// What became of it.
    pub outcome: CellOutcome,
}

impl Cell {
    /// The cell of a run.
    pub fn ran(report: RunReport) -> Self {
        Cell { place: CellKey::of(&report.setting), outcome: CellOutcome::Ran(Box::new(report)) }
    }

    /// The report, if it came to one.
    pub fn report(&self) -> Option<&RunReport> {
        match &self.outcome {
            CellOutcome::Ran(report) => Some(report),
            _ => None,
        }
    }

    /// What it led to; nothing for a cell that had nothing to do, or no chance.
    pub fn exit_code(&self) -> Option<ExitCode> {
        match &self.outcome {
            CellOutcome::Ran(report) => Some(report.exit_code()),
            CellOutcome::Failed { exit, .. } => Some(*exit),
            CellOutcome::Empty | CellOutcome::NotRun { .. } => None,
        }
    }
}

/// All cells, in the order in which they were run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Matrix {
    /// The cells.
    pub cells: Vec<Cell>,
}

impl Matrix {
    /// A matrix whose cells have names of their own.
    pub fn new(mut cells: Vec<Cell>) -> Self {
        let mut places: Vec<CellKey> = cells.iter().map(|cell| cell.place.clone()).collect();
        CellKey::number(&mut places);
        for (cell, place) in cells.iter_mut().zip(places) {
            cell.place = place;
        }
        Matrix { cells }
    }

    /// The worst of all cells, in the order of [`RunReport::exit_code`]: a violation outweighs a lost guest, that a kernel
    /// that could not be had at all, that a broken case, and that what waits for a review. Cells without a chance count only
    /// where nothing else explains why, and a matrix in which nothing was judged is not as expected.
    pub fn exit_code(&self) -> ExitCode {
        let codes: Vec<ExitCode> = self.cells.iter().filter_map(Cell::exit_code).collect();
        let order = [
            ExitCode::Interrupted,
            ExitCode::Violated,
            ExitCode::Internal,
            ExitCode::Usage,
            ExitCode::GuestLost,
            ExitCode::Build,
            ExitCode::Patch,
            ExitCode::Fetch,
            ExitCode::BrokenCase,
            ExitCode::Unreviewed,
        ];
        let unrun = self.cells.iter().any(|cell| matches!(cell.outcome, CellOutcome::NotRun { .. }));
        match order.into_iter().find(|code| codes.contains(code)) {
            Some(code) => code,
            None if codes.is_empty() || unrun => ExitCode::BrokenCase,
            None => ExitCode::AsExpected,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::judge::verdict::Verdict;
    use crate::report::run_report::tests::report;

    /// A run of some verdicts on a kernel and series.
    pub(crate) fn ran(kernel: &str, series: &str, verdicts: Vec<Verdict>) -> Cell {
        let mut report = report(verdicts);
        report.setting.kernel = kernel.into();
        report.setting.version = format!("{kernel}.1");
        report.setting.series = series.into();
        Cell::ran(report)
    }

    pub(crate) fn failed(kernel: &str, series: &str, exit: ExitCode) -> Cell {
        let error = "patch series: x.patch does not apply\n    hunk".into();
        Cell { place: CellKey::new(kernel, series, "sanitized"), outcome: CellOutcome::Failed { exit, error } }
    }

    fn unrun() -> Cell {
        Cell { place: CellKey::new("7.3", "none", "fast"), outcome: CellOutcome::NotRun { why: "x".into() } }
    }

    #[test]
    fn the_worst_cell_decides() {
        let violated = || ran("7.2", "derive", vec![Verdict::Failed { reasons: vec!["x".into()] }]);
        let fine = || ran("7.2", "none", vec![Verdict::Pass]);
        let broken = || ran("7.2", "derive", vec![Verdict::Broken { why: "x".into() }]);
        let code = |cells: Vec<Cell>| Matrix::new(cells).exit_code();
        assert_eq!(code(vec![fine(), fine()]), ExitCode::AsExpected);
        assert_eq!(code(vec![failed("6.1", "derive", ExitCode::Build), violated(), fine()]), ExitCode::Violated);
        assert_eq!(code(vec![broken(), failed("6.1", "derive", ExitCode::Patch), fine()]), ExitCode::Patch);
        assert_eq!(
            code(vec![failed("6.1", "x", ExitCode::Patch), failed("6.1", "x", ExitCode::Build)]),
            ExitCode::Build
        );
        assert_eq!(code(vec![broken(), ran("7.2", "derive", vec![Verdict::Unreviewed])]), ExitCode::BrokenCase);
        assert_eq!(code(vec![violated(), failed("6.1", "x", ExitCode::Interrupted)]), ExitCode::Interrupted);
    }

    #[test]
    fn what_was_not_run_is_never_as_expected_and_hides_nothing() {
        let fine = ran("7.2", "none", vec![Verdict::Pass]);
        let empty = Cell { outcome: CellOutcome::Empty, ..unrun() };
        let code = |cells: &[&Cell]| Matrix::new(cells.iter().map(|cell| (*cell).clone()).collect()).exit_code();
        assert_eq!(code(&[&fine, &unrun()]), ExitCode::BrokenCase);
        assert_eq!(code(&[&failed("6.1", "x", ExitCode::Build), &unrun()]), ExitCode::Build);
        assert_eq!(code(&[&fine, &empty]), ExitCode::AsExpected);
        assert_eq!(code(&[&empty]), ExitCode::BrokenCase);
        assert_eq!(code(&[]), ExitCode::BrokenCase);
    }

    #[test]
    fn every_cell_has_a_name_of_its_own_that_is_no_path() {
        let series = ["derive", "/some/where/my series/", "../my series", "none"];
        let cells = series.map(|series| ran("7.2", series, vec![Verdict::Pass])).to_vec();
        let ids: Vec<String> = Matrix::new(cells).cells.into_iter().map(|cell| cell.place.id).collect();
        let wanted =
            ["7.2-derive-sanitized", "7.2-my_series-sanitized", "7.2-my_series-sanitized-2", "7.2-none-sanitized"];
        assert_eq!(ids, wanted);
    }
}
