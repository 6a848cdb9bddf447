//! Reports of a census, and of the comparison of two.

pub mod html;
mod json;
pub mod markdown;
pub mod text;

use harness::error::Result;
use harness::exit_code::ExitCode;

use crate::census::Census;
use crate::change::PlaceChanges;
use crate::counts::{NamedCount, totals};
use crate::reviewed::{Review, ReviewedTable};
use crate::site::{CallSite, Role};

pub use json::{comparison as comparison_as_json, report as report_as_json};

/// A census beside the reviewed table.
#[derive(Debug)]
pub struct CensusReport<'a> {
    /// The census.
    pub census: &'a Census,
    /// The kernel that the table was made from.
    pub reviewed: &'a str,
    /// The review of each place of the census; `None` where the table has no such place, or another direction.
    pub reviews: Vec<Option<&'a Review>>,
    /// From the table to the census.
    pub changes: PlaceChanges,
}

impl<'a> CensusReport<'a> {
    /// Compares a census with the table.
    pub fn new(census: &'a Census, table: &'a ReviewedTable) -> Self {
        CensusReport {
            census,
            reviewed: &table.kernel,
            reviews: table.reviews_of(&census.places),
            changes: PlaceChanges::between(&table.places(), &census.places),
        }
    }

    /// The importers of a subsystem with their reviews, in the order of kinds.
    pub fn of_subsystem(&self, name: &str) -> Vec<(&CallSite, Option<&Review>)> {
        let wanted = |place: &CallSite| place.role() == Role::Importer && place.subsystem() == name;
        let all = self.census.places.iter().zip(&self.reviews);
        let mut places: Vec<_> =
            all.filter(|(place, _)| wanted(place)).map(|(place, review)| (place, *review)).collect();
        places.sort_by_key(|(place, _)| place.kind);
        places
    }

    /// Whether the table has to be reviewed again.
    pub fn exit_code(&self) -> ExitCode {
        if self.changes.is_empty() { ExitCode::AsExpected } else { ExitCode::Unreviewed }
    }
}

/// Two censuses.
#[derive(Debug)]
pub struct Comparison<'a> {
    /// The first kernel.
    pub before: &'a Census,
    /// The second.
    pub after: &'a Census,
    /// From the first to the second.
    pub changes: PlaceChanges,
}

impl<'a> Comparison<'a> {
    /// Compares two kernels.
    pub fn new(before: &'a Census, after: &'a Census) -> Self {
        Comparison { before, after, changes: PlaceChanges::between(&before.places, &after.places) }
    }

    /// The numbers of both.
    pub fn rows(&self) -> Vec<(String, usize, usize)> {
        let pair = |(before, after): (NamedCount, NamedCount)| (before.name, before.count, after.count);
        totals(&self.before.places).into_iter().zip(totals(&self.after.places)).map(pair).collect()
    }
}

/// How a report is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CensusFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
    /// For the summary of a job.
    Markdown,
    /// One page for a browser, with everything in it.
    Html,
}

/// A report in a format.
///
/// # Errors
/// [`harness::error::ErrorKind::Internal`] when it cannot be encoded.
pub fn report(report: &CensusReport<'_>, format: CensusFormat) -> Result<String> {
    match format {
        CensusFormat::Text => Ok(text::report(report)),
        CensusFormat::Json => report_as_json(report),
        CensusFormat::Markdown => Ok(markdown::report(report)),
        CensusFormat::Html => html::report(report),
    }
}

/// A comparison in a format.
///
/// # Errors
/// As [`report`].
pub fn comparison(comparison: &Comparison<'_>, format: CensusFormat) -> Result<String> {
    match format {
        CensusFormat::Text => Ok(text::comparison(comparison)),
        CensusFormat::Json => comparison_as_json(comparison),
        CensusFormat::Markdown => Ok(markdown::comparison(comparison)),
        CensusFormat::Html => html::comparison(comparison),
    }
}

#[cfg(test)]
mod tests;
