//! For programs. `schema` grows with every change that a reader could notice.

use harness::error::{Context, ErrorKind, Result};
use serde::Serialize;

use super::{CensusReport, Comparison};
use crate::change::PlaceChanges;
use crate::counts::{NamedCount, SubsystemCounts, by_subsystem, totals};
use crate::reviewed::Review;
use crate::site::{CallSite, Role};

/// The version of the format.
const SCHEMA: u32 = 1;

#[derive(Serialize)]
struct Kernel<'a> {
    version: &'a str,
    origin: &'a str,
    searched: usize,
    parsed: usize,
    totals: Vec<NamedCount>,
}

#[derive(Serialize)]
struct PlaceRow<'a> {
    subsystem: &'a str,
    role: Role,
    #[serde(flatten)]
    place: &'a CallSite,
    review: Option<&'a Review>,
}

#[derive(Serialize)]
struct ReportFile<'a> {
    schema: u32,
    kernel: Kernel<'a>,
    reviewed: &'a str,
    subsystems: Vec<SubsystemCounts>,
    places: Vec<PlaceRow<'a>>,
    changes: &'a PlaceChanges,
}

#[derive(Serialize)]
struct ComparisonFile<'a> {
    schema: u32,
    before: Kernel<'a>,
    after: Kernel<'a>,
    changes: &'a PlaceChanges,
}

fn kernel(census: &crate::census::Census) -> Kernel<'_> {
    Kernel {
        version: &census.version,
        origin: &census.origin,
        searched: census.searched,
        parsed: census.parsed,
        totals: totals(&census.places),
    }
}

/// A report.
///
/// # Errors
/// [`ErrorKind::Internal`] when it cannot be encoded.
pub fn report(report: &CensusReport<'_>) -> Result<String> {
    let row = |(place, review): (_, &Option<_>)| row(place, *review);
    encoded(&ReportFile {
        schema: SCHEMA,
        kernel: kernel(report.census),
        reviewed: report.reviewed,
        subsystems: by_subsystem(&report.census.places),
        places: report.census.places.iter().zip(&report.reviews).map(row).collect(),
        changes: &report.changes,
    })
}

fn row<'a>(place: &'a CallSite, review: Option<&'a Review>) -> PlaceRow<'a> {
    PlaceRow { subsystem: place.subsystem(), role: place.role(), place, review }
}

/// A comparison.
///
/// # Errors
/// As [`report`].
pub fn comparison(comparison: &Comparison<'_>) -> Result<String> {
    encoded(&ComparisonFile {
        schema: SCHEMA,
        before: kernel(comparison.before),
        after: kernel(comparison.after),
        changes: &comparison.changes,
    })
}

fn encoded(file: &impl Serialize) -> Result<String> {
    Ok(serde_json::to_string_pretty(file).context(ErrorKind::Internal, || "encoding the census".into())? + "\n")
}
