//! One page that needs no network.

use harness::error::{Context, ErrorKind, Result};
use minijinja::{Environment, Value, context};
use serde::Serialize;

use super::{CensusReport, Comparison};
use crate::change::PlaceChanges;
use crate::counts::{SubsystemCounts, by_subsystem};
use crate::reviewed::Review;
use crate::site::CallSite;

const PAGE: &str = include_str!("page.html");

#[derive(Serialize)]
struct Section<'a> {
    counts: &'a SubsystemCounts,
    places: Vec<(&'a CallSite, Option<&'a Review>)>,
}

/// The census with the reviews of its places.
///
/// # Errors
/// [`ErrorKind::Internal`] when the page cannot be made.
pub fn report(report: &CensusReport<'_>) -> Result<String> {
    let counts = by_subsystem(&report.census.places);
    let section = |counts| Section { counts, places: report.of_subsystem(&counts.subsystem) };
    page(context! {
        title => format!("Importers of dma-bufs in Linux {}", report.census.version),
        source => report.census.origin,
        sections => counts.iter().map(section).collect::<Vec<_>>(),
        against => format!("the reviewed table of Linux {}", report.reviewed),
        changes => changes(&report.changes),
    })
}

/// The numbers of two kernels and the places that differ.
///
/// # Errors
/// As [`report`].
pub fn comparison(comparison: &Comparison<'_>) -> Result<String> {
    let (before, after) = (&comparison.before.version, &comparison.after.version);
    page(context! {
        title => format!("Importers of dma-bufs in Linux {before} and {after}"),
        versions => [before, after],
        rows => comparison.rows(),
        against => format!("Linux {before}"),
        changes => changes(&comparison.changes),
    })
}

/// Each change: its word, its place, and what is different.
fn changes(changes: &PlaceChanges) -> Vec<(&'static str, &CallSite, String)> {
    let new = changes.new.iter().map(|place| ("new", place, String::new()));
    let gone = changes.gone.iter().map(|place| ("gone", place, String::new()));
    let changed = changes.changed.iter().map(|changed| ("changed", &changed.after, changed.in_words()));
    new.chain(gone).chain(changed).collect()
}

fn page(values: Value) -> Result<String> {
    let mut environment = Environment::new();
    environment.set_trim_blocks(true);
    environment.set_lstrip_blocks(true);
    let failed = || "making the page of the census".to_string();
    // The name ends in html, so values are escaped.
    environment.add_template("page.html", PAGE).context(ErrorKind::Internal, failed)?;
    let template = environment.get_template("page.html").context(ErrorKind::Internal, failed)?;
    Ok(template.render(values).context(ErrorKind::Internal, failed)? + "\n")
}
