//! The changes by a series, for the page.

use cases::protocol::CaseKey;
use serde::Serialize;

use super::colour::Colour;
use crate::report::matrix::changes::{self, CaseChange, ChangeCounts, SeriesComparison};
use crate::report::matrix::{Matrix, short};

/// The changes by one series.
#[derive(Serialize)]
pub(super) struct Changes {
    series: String,
    counts: Vec<KernelCounts>,
    altered: Vec<Altered>,
    not_judged: Vec<Altered>,
    /// Kernels with nothing to compare, and why.
    missing: Vec<(String, String)>,
}

#[derive(Serialize)]
struct KernelCounts {
    kernel: String,
    counts: ChangeCounts,
}

#[derive(Serialize)]
struct Altered {
    key: String,
    #[serde(rename = "where")]
    place: String,
    how: String,
    lines: Vec<(Colour, String)>,
}

/// One for each series.
pub(super) fn series_changes(matrix: &Matrix) -> Vec<Changes> {
    let all = changes::of(matrix);
    let mut series: Vec<&str> = Vec::new();
    for comparison in &all {
        if !series.contains(&comparison.series.as_str()) {
            series.push(&comparison.series);
        }
    }
    let of = |name: &&str| {
        let of: Vec<SeriesComparison> = all.iter().filter(|one| one.series == *name).cloned().collect();
        let compared = of.iter().filter(|one| one.changes.is_ok());
        Changes {
            series: short(name).to_string(),
            counts: compared.map(|one| KernelCounts { kernel: one.kernel.clone(), counts: one.counts() }).collect(),
            altered: changes::altered(&of).into_iter().map(altered).collect(),
            not_judged: changes::not_judged(&of).into_iter().map(altered).collect(),
            missing: of
                .iter()
                .filter_map(|one| Some((one.kernel.clone(), one.changes.as_ref().err()?.clone())))
                .collect(),
        }
    };
    series.iter().map(of).collect()
}

fn altered((key, change, places): (&CaseKey, &CaseChange, Vec<&SeriesComparison>)) -> Altered {
    let kernels: Vec<&str> = places.iter().map(|place| place.kernel.as_str()).collect();
    let (how, diff) = match change {
        CaseChange::Altered { before, after, diff } if before == after => (format!("{before} on both"), diff.as_str()),
        CaseChange::Altered { before, after, diff } => (format!("{before}, now {after}"), diff.as_str()),
        CaseChange::NotJudged { why } => (why.clone(), ""),
        CaseChange::New { .. } | CaseChange::Same | CaseChange::Gone => (String::new(), ""),
    };
    let tone = |line: &str| match line.as_bytes().first() {
        Some(b'-') => Colour::Bad,
        Some(b'+') => Colour::Good,
        _ => Colour::Faint,
    };
    let lines = diff.lines().map(|line| (tone(line), line.to_string())).collect();
    Altered { key: key.0.clone(), place: kernels.join(", "), how, lines }
}
