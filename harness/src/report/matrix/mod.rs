//! Several runs side by side: kernels x series x flavours, the result of each clause on each, and what a series changes.
//! Pure: its input is finished reports, and the errors of runs without a report.

pub mod changes;
pub mod file;
pub mod findings;
pub mod problems;
pub mod table;

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::exit_code::ExitCode;
use crate::host::arch::Arch;
use crate::report::run_report::{RunReport, RunSetting};

/// Version of the JSON form. Raised when a field changes its meaning or is removed.
pub const SCHEMA: u32 = 1;
/// The series that changes nothing.
pub const UNPATCHED: &str = "none";

/// Where a cell of the matrix is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CellKey {
    /// A unique name that is also valid as the name of a directory.
    pub id: String,
    /// Id of the kernel.
    pub kernel: String,
    /// Name of the series, or a path.
    pub series: String,
    /// Flavour of the configuration.
    pub flavour: String,
}

impl CellKey {
    /// Its architecture.
    pub fn arch(&self) -> &'static Arch {
        Arch::of_flavour(&self.flavour).0
    }

    /// A cell with its plain name, such as `7.2-derive-sanitized`. If the series is a path, the last part is used.
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

    /// Makes equal plain names unique: the second one gets `-2`.
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

/// The name of a series in a heading. For a path, its last part.
pub fn short(series: &str) -> &str {
    series.trim_end_matches('/').rsplit('/').next().unwrap_or(series)
}

/// The outcome of a cell.
#[derive(Clone, Debug, PartialEq)]
pub enum CellOutcome {
    /// It was run and judged.
    Ran(Box<RunReport>),
    /// An error ended it before there was a report.
    Failed {
        /// The exit code of that error.
        exit: ExitCode,
        /// The error, in several lines.
        error: String,
    },
    /// None of the chosen cases applies to this kernel.
    Empty,
    /// It was not run, because the matrix ended before.
    NotRun {
        /// Why the matrix ended.
        why: String,
    },
}

impl CellOutcome {
    /// The outcome of a run that ended with an error.
    pub fn failed(error: &Error) -> Self {
        CellOutcome::Failed { exit: error.exit_code(), error: error.to_string() }
    }
}

/// A cell.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    /// Where it is.
    pub place: CellKey,
    /// Its outcome.
    pub outcome: CellOutcome,
}

impl Cell {
    /// The cell of a run.
    pub fn ran(report: RunReport) -> Self {
        Cell { place: CellKey::of(&report.setting), outcome: CellOutcome::Ran(Box::new(report)) }
    }

    /// The report, if there is one.
    pub fn report(&self) -> Option<&RunReport> {
        match &self.outcome {
            CellOutcome::Ran(report) => Some(report),
            _ => None,
        }
    }

    /// The exit code; `None` for a cell that had no cases to run, or that was not run.
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
    /// A matrix; gives its cells unique names.
    pub fn new(mut cells: Vec<Cell>) -> Self {
        let mut places: Vec<CellKey> = cells.iter().map(|cell| cell.place.clone()).collect();
        CellKey::number(&mut places);
        for (cell, place) in cells.iter_mut().zip(places) {
            cell.place = place;
        }
        Matrix { cells }
    }

    /// The worst exit code of all cells, in the order of [`RunReport::exit_code`]: first a violation, then a lost guest, a
    /// kernel that could not be fetched or built, a broken case, and what waits for a review. Cells that were not run count
    /// only if nothing else explains it. A matrix in which nothing was judged is not as expected.
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
