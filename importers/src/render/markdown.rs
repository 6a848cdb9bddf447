//! For the summary of a CI job, and for the tables of docs/importers.md.

use std::fmt::Write;

use super::{CensusReport, Comparison};
use crate::change::PlaceChanges;
use crate::counts::{SubsystemCounts, by_subsystem};
use crate::site::CallSite;

/// Numbers by subsystem, and what differs from the table.
pub fn report(report: &CensusReport<'_>) -> String {
    let census = report.census;
    let mut out = format!("## Importers of dma-bufs in Linux {}\n\n", census.version);
    out += &table(&by_subsystem(&census.places));
    let _ = match report.changes.is_empty() {
        true => writeln!(out, "\nAll places are in the reviewed table of Linux {}.", report.reviewed),
        false => writeln!(out, "\n### Different from the reviewed table of Linux {}\n", report.reviewed),
    };
    changes(&mut out, &report.changes);
    out
}

/// The table of subsystems.
pub fn table(rows: &[SubsystemCounts]) -> String {
    let mut out = String::from(
        "| subsystem | files | calls of the core | uses of helpers | to device | from device | bidirectional | variable |\n\
         |---|---|---|---|---|---|---|---|\n",
    );
    for row in rows {
        let numbers = row.numbers().map(|number| number.to_string());
        let _ = writeln!(out, "| {} | {} |", row.subsystem, numbers.join(" | "));
    }
    out
}

/// The numbers of two kernels and the places that differ.
pub fn comparison(comparison: &Comparison<'_>) -> String {
    let (before, after) = (&comparison.before.version, &comparison.after.version);
    let mut out =
        format!("## Importers of dma-bufs in Linux {before} and {after}\n\n| | {before} | {after} |\n|---|---|---|\n");
    for (name, first, second) in comparison.rows() {
        let _ = writeln!(out, "| {name} | {first} | {second} |");
    }
    let _ = writeln!(out);
    changes(&mut out, &comparison.changes);
    out
}

fn changes(out: &mut String, changes: &PlaceChanges) {
    let line = |place: &CallSite| format!("`{}:{}` {}(): `{}`", place.file, place.line, place.function, place.what);
    changes.new.iter().for_each(|place| writeln!(out, "- new: {}", line(place)).unwrap_or_default());
    changes.gone.iter().for_each(|place| writeln!(out, "- gone: {}", line(place)).unwrap_or_default());
    for changed in &changes.changed {
        let _ = writeln!(out, "- changed: {}: `{}`", line(&changed.after), changed.in_words());
    }
}
