//! matrix.json: the outcome of each cell, the table, and the changes. The reports are beside it, in one directory for each cell.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::changes::{self, ChangeCounts, SeriesComparison};
use super::table::Table;
use super::{Cell, CellKey, CellOutcome, Matrix, SCHEMA};
use crate::error::{Context, Error, ErrorKind, Result};
use crate::exit_code::ExitCode;
use crate::report::run_report::RunReport;

/// The name of the file.
pub const NAME: &str = "matrix.json";

#[derive(Serialize)]
struct Written<'a> {
    schema: u32,
    exit: ExitCode,
    cells: Vec<Row>,
    /// For each clause: the word of each cell that has cases for it, by the id of the cell.
    table: BTreeMap<&'static str, BTreeMap<&'a str, String>>,
    changes: Vec<Changes<'a>>,
}

#[derive(Serialize)]
struct Changes<'a> {
    counts: ChangeCounts,
    #[serde(flatten)]
    comparison: &'a SeriesComparison,
}

#[derive(Deserialize)]
struct Read {
    schema: u32,
    cells: Vec<Row>,
}

/// A cell without its report.
#[derive(Serialize, Deserialize)]
struct Row {
    #[serde(flatten)]
    place: CellKey,
    result: Kind,
    #[serde(skip_serializing_if = "Option::is_none")]
    exit: Option<ExitCode>,
    /// The error, or why it was not run.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    text: String,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    Ran,
    Failed,
    Empty,
    NotRun,
}

/// The text of the file.
///
/// # Errors
/// [`ErrorKind::Internal`] when it cannot be encoded.
pub fn write(matrix: &Matrix) -> Result<String> {
    let row = |cell: &Cell| {
        let (result, text) = match &cell.outcome {
            CellOutcome::Ran(_) => (Kind::Ran, String::new()),
            CellOutcome::Failed { error, .. } => (Kind::Failed, error.clone()),
            CellOutcome::Empty => (Kind::Empty, String::new()),
            CellOutcome::NotRun { why } => (Kind::NotRun, why.clone()),
        };
        Row { place: cell.place.clone(), result, exit: cell.exit_code(), text }
    };
    let comparisons = changes::of(matrix);
    let ids = || matrix.cells.iter().map(|cell| cell.place.id.as_str());
    let rows = Table::of(matrix).rows.into_iter().map(|(clause, words)| {
        let words = ids().zip(words.into_iter().map(|word| word.text())).filter(|(_, word)| !word.is_empty());
        (clause, words.collect())
    });
    let written = Written {
        schema: SCHEMA,
        exit: matrix.exit_code(),
        cells: matrix.cells.iter().map(row).collect(),
        table: rows.collect(),
        changes: comparisons.iter().map(|comparison| Changes { counts: comparison.counts(), comparison }).collect(),
    };
    Ok(serde_json::to_string_pretty(&written).context(ErrorKind::Internal, || "encoding the matrix".into())? + "\n")
}

/// Reads the matrix from the text of the file. `report` returns the report of a cell, by the id of the cell.
///
/// # Errors
/// [`ErrorKind::Usage`] for a text that is not a matrix of this version; the errors of `report`.
pub fn read(text: &str, mut report: impl FnMut(&str) -> Result<RunReport>) -> Result<Matrix> {
    let read: Read = serde_json::from_str(text).context(ErrorKind::Usage, || format!("this is not a {NAME}"))?;
    if read.schema != SCHEMA {
        let what = format!("a {NAME} of version {}; this program reads {SCHEMA}", read.schema);
        return Err(
            Error::new(ErrorKind::Usage, what).next("Run it again, or use the version of this program that wrote it.")
        );
    }
    let cell = |row: Row| {
        let outcome = match row.result {
            Kind::Ran => CellOutcome::Ran(Box::new(report(&row.place.id)?)),
            Kind::Failed => CellOutcome::Failed { exit: row.exit.unwrap_or(ExitCode::Internal), error: row.text },
            Kind::Empty => CellOutcome::Empty,
            Kind::NotRun => CellOutcome::NotRun { why: row.text },
        };
        Ok(Cell { place: row.place, outcome })
    };
    Ok(Matrix { cells: read.cells.into_iter().map(cell).collect::<Result<_>>()? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::verdict::Verdict;
    use crate::report::matrix::tests::{failed, ran};

    #[test]
    fn a_matrix_survives_its_file() {
        let unrun =
            Cell { outcome: CellOutcome::NotRun { why: "stopped".into() }, ..failed("7.3", "none", ExitCode::Build) };
        let empty = Cell { outcome: CellOutcome::Empty, ..failed("7.3", "x", ExitCode::Build) };
        let matrix = Matrix::new(vec![
            ran("7.2", "none", vec![Verdict::Pass]),
            ran("7.2", "derive", vec![Verdict::Pass]),
            failed("7.2", "/a/series", ExitCode::Patch),
            unrun,
            empty,
        ]);
        let text = write(&matrix).unwrap();
        let reports = |id: &str| {
            let cell = matrix.cells.iter().find(|cell| cell.place.id == id).unwrap();
            Ok(cell.report().unwrap().clone())
        };
        assert_eq!(read(&text, reports).unwrap(), matrix);
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!((value["exit"].as_u64(), value["schema"].as_u64()), (Some(22), Some(1)));
        assert_eq!(value["table"]["R-1"]["7.2-derive-sanitized"], "ok");
        assert_eq!(value["changes"][0]["counts"]["not_judged"], 1);
    }

    #[test]
    fn a_file_of_another_version_is_an_error() {
        let none = |_: &str| Err(Error::new(ErrorKind::Internal, "never asked for"));
        for text in ["{}", "[]", "{\"schema\": 2, \"cells\": []}"] {
            assert_eq!(read(text, none).unwrap_err().kind, ErrorKind::Usage, "{text}");
        }
    }
}
