//! `cargo xtask report`: shows kept runs, in any format. Needs no kernel.

use std::fmt::Write;

use harness::error::Result;
use harness::exit_code::ExitCode;
use harness::host::style::detect;
use harness::report::matrix::{Cell, Matrix, file};
use harness::report::render::{github, html, junit, ktap, markdown, matrix};

use crate::commands::test;
use crate::flags::{Format, ReportArgs};
use crate::run::saved_runs;

/// Prints one run as `test` does, several as a matrix.
///
/// # Errors
/// When one of them cannot be read.
pub fn run(args: &ReportArgs) -> Result<ExitCode> {
    print!("{}", text(&args.runs, args.format, args.all)?);
    Ok(ExitCode::AsExpected)
}

/// The runs of these names, in a format.
///
/// # Errors
/// When one of them cannot be read.
pub fn text(runs: &[String], format: Format, all: bool) -> Result<String> {
    let matrix = saved_runs::load(runs)?;
    Ok(match (&matrix.cells[..], format) {
        ([cell], format) if cell.report().is_some() => {
            cell.report().map_or_else(|| Ok(String::new()), |report| test::rendered(report, format, all))?
        }
        (_, Format::Terminal) => matrix::render(&matrix, detect()),
        (_, Format::Ktap) => nested(&matrix),
        (_, Format::Junit) => junit::render(&matrix)?,
        (_, Format::Json) => file::write(&matrix)?,
        (_, Format::Github) => github::render(&matrix),
        (_, Format::Markdown) => markdown::render(&matrix),
        (_, Format::Html) => html::render(&matrix)?,
    })
}

/// KTAP with a test for each cell, and its cases as subtests.
fn nested(matrix: &Matrix) -> String {
    let mut out = format!("KTAP version 1\n1..{}\n", matrix.cells.len());
    for (index, cell) in matrix.cells.iter().enumerate() {
        let number = index + 1;
        if let Some(report) = cell.report() {
            for line in ktap::render(report).lines() {
                let _ = writeln!(out, "  {line}");
            }
        }
        let ok = if cell.exit_code() == Some(ExitCode::AsExpected) { "ok" } else { "not ok" };
        let _ = writeln!(out, "{ok} {number} {}{}", cell.place.id, directive(cell));
    }
    out
}

fn directive(cell: &Cell) -> String {
    match (cell.report(), cell.exit_code()) {
        (None, Some(code)) => format!(" # ERROR {}", code.meaning()),
        (None, None) => " # ERROR not run".into(),
        (Some(_), _) => String::new(),
    }
}
