//! For people at a terminal. The same tree always gives the same text, so two texts can be compared with `diff`.

use std::fmt::Write;

use super::{CensusReport, Comparison};
use crate::change::PlaceChanges;
use crate::counts::by_subsystem;
use crate::site::CallSite;

/// A census, its places by subsystem, numbers, and what differs from the table.
pub fn report(report: &CensusReport<'_>) -> String {
    let census = report.census;
    let mut out = format!("Importers of dma-bufs in Linux {}\nsource: {}\n", census.version, census.origin);
    let subsystems = by_subsystem(&census.places);
    for counts in &subsystems {
        let _ = writeln!(out, "\n{}", counts.subsystem);
        for (place, review) in report.of_subsystem(&counts.subsystem) {
            let direction = place.direction.map_or("", |direction| direction.word());
            let writer = review.map_or("not reviewed", |review| review.writer.as_str());
            let at = format!("{}:{}", place.file, place.line);
            let _ = writeln!(
                out,
                "  {:<7} {at:<66} {:<13} {writer:<13} {}: {}",
                place.kind.word(),
                direction,
                place.function,
                place.what
            );
        }
    }
    let heads = ["files", "core calls", "helper uses", "to-device", "from-device", "bidirectional", "variable"];
    let _ = writeln!(out, "\n{}", row("subsystem", heads.map(String::from)));
    for counts in &subsystems {
        let _ = writeln!(out, "{}", row(&counts.subsystem, counts.numbers().map(|number| number.to_string())));
    }
    let _ = writeln!(
        out,
        "{} places; {} of {} C files were parsed; docs/importers.md explains the columns",
        census.places.len(),
        census.parsed,
        census.searched
    );
    if report.changes.is_empty() {
        let _ = writeln!(out, "\nall places are in the reviewed table of Linux {} (exit 0)", report.reviewed);
        return out;
    }
    let _ = writeln!(out, "\ndifferent from the reviewed table of Linux {} (exit 11)", report.reviewed);
    changes(&mut out, &report.changes);
    out
}

fn row(name: &str, [files, core, helpers, to, from, both, variable]: [String; 7]) -> String {
    format!("{name:<12} {files:>5} {core:>10} {helpers:>11} {to:>9} {from:>11} {both:>13} {variable:>8}")
}

/// The numbers of two kernels and the places that differ.
pub fn comparison(comparison: &Comparison<'_>) -> String {
    let (before, after) = (comparison.before, comparison.after);
    let mut out = format!("Importers of dma-bufs in Linux {} and {}\n\n", before.version, after.version);
    let _ = writeln!(out, "{:<36} {:>10} {:>10} {:>7}", "", before.version, after.version, "change");
    for (name, first, second) in comparison.rows() {
        let change = second.cast_signed() - first.cast_signed();
        let change = if change == 0 { String::new() } else { format!("{change:+}") };
        let line = format!("{name:<36} {first:>10} {second:>10} {change:>7}");
        let _ = writeln!(out, "{}", line.trim_end());
    }
    let _ = writeln!(out);
    changes(&mut out, &comparison.changes);
    out
}

fn changes(out: &mut String, changes: &PlaceChanges) {
    let line = |place: &CallSite| {
        let direction = place.direction.map_or(String::new(), |direction| format!(", {direction}"));
        format!("{:<7} {place}{direction}", place.kind.word())
    };
    changes.new.iter().for_each(|place| writeln!(out, "  new      {}", line(place)).unwrap_or_default());
    changes.gone.iter().for_each(|place| writeln!(out, "  gone     {}", line(place)).unwrap_or_default());
    for changed in &changes.changed {
        let _ = writeln!(out, "  changed  {:<7} {}: {}", changed.after.kind.word(), changed.after, changed.in_words());
    }
    let (new, gone, changed) = (changes.new.len(), changes.gone.len(), changes.changed.len());
    let _ = writeln!(out, "{new} new, {gone} gone, {changed} changed");
}
