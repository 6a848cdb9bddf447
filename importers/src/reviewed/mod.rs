//! The reviewed table: the places of one kernel, and what no tool sees about each of them. A person has read the code.

use std::collections::BTreeMap;

use harness::error::{Error, ErrorKind, Result};
use serde::Serialize;

use crate::census::Census;
use crate::direction::DmaDirection;
use crate::site::{CallSite, SiteKind, keys};

/// The table of this version of the suite.
const TABLE: &str = include_str!("../../reviewed.tsv");

/// The columns, with a tab between them.
const HEADER: &str = "kind\twhat\tfile\tfunction\tline\tdirection\tdetail\twriter\tmode\treached\thazards\tnote";

/// In a column: not reviewed yet.
pub const UNREVIEWED: &str = "?";

/// In a column: nothing.
const NOTHING: &str = "-";

/// What a reader of the code found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Review {
    /// Who can write to the buffer through this place: `device`, `cpu`, `process`, `depends`, `reads` (somebody reads), `nobody`.
    pub writer: String,
    /// Whether the code looks at the mode of the descriptor: `yes` or `no`.
    pub mode: String,
    /// How user space gets there.
    pub reached: String,
    /// Hazards of the contract that this place shows.
    pub hazards: Vec<String>,
    /// What else matters. May be empty.
    pub note: String,
}

/// A place with its review.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReviewedPlace {
    /// The place.
    pub place: CallSite,
    /// The review.
    pub review: Review,
}

/// The table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReviewedTable {
    /// The version of the kernel that was reviewed.
    pub kernel: String,
    /// The places, in the order of files and lines.
    pub rows: Vec<ReviewedPlace>,
}

impl ReviewedTable {
    /// The table of this version of the suite.
    ///
    /// # Errors
    /// As [`ReviewedTable::parse`].
    pub fn built_in() -> Result<Self> {
        ReviewedTable::parse(TABLE)
    }

    /// Reads a table.
    ///
    /// # Errors
    /// [`ErrorKind::Internal`] with the line that is invalid: the table is part of the suite.
    pub fn parse(text: &str) -> Result<Self> {
        let wrong = |what: String| Error::new(ErrorKind::Internal, format!("importers/reviewed.tsv {what}"));
        let mut lines = text.lines();
        let kernel = lines.next().and_then(|line| line.strip_prefix("# kernel: "));
        let kernel = kernel.ok_or_else(|| wrong("does not begin with `# kernel: VERSION`".into()))?;
        if lines.next() != Some(HEADER) {
            return Err(wrong(format!("does not have these columns: {HEADER}")));
        }
        let rows = lines.enumerate().map(|(index, line)| {
            ReviewedPlace::parse(line).ok_or_else(|| wrong(format!("is invalid in line {}: {line}", index + 3)))
        });
        Ok(ReviewedTable { kernel: kernel.to_string(), rows: rows.collect::<Result<_>>()? })
    }

    /// The table as text.
    pub fn text(&self) -> String {
        let rows = self.rows.iter().map(|row| row.line() + "\n");
        format!("# kernel: {}\n{HEADER}\n{}", self.kernel, rows.collect::<String>())
    }

    /// The places without their reviews.
    pub fn places(&self) -> Vec<CallSite> {
        self.rows.iter().map(|row| row.place.clone()).collect()
    }

    /// The review of each of these places; `None` for a place that the table does not have, or has with another direction or
    /// detail.
    pub fn reviews_of(&self, places: &[CallSite]) -> Vec<Option<&Review>> {
        let known: BTreeMap<_, _> = keys(self.rows.iter().map(|row| &row.place)).into_iter().zip(&self.rows).collect();
        let review = |(key, place): (_, &CallSite)| {
            let row = known.get(&key)?;
            row.place.is_like(place).then_some(&row.review)
        };
        keys(places).into_iter().zip(places).map(review).collect()
    }

    /// The table for another tree: a place that is still the same keeps its review, every other waits for one.
    pub fn for_census(&self, census: &Census) -> ReviewedTable {
        let reviews = self.reviews_of(&census.places).into_iter();
        let row = |(place, review): (&CallSite, Option<&Review>)| ReviewedPlace {
            place: place.clone(),
            review: review.cloned().unwrap_or_else(Review::missing),
        };
        ReviewedTable { kernel: census.version.clone(), rows: census.places.iter().zip(reviews).map(row).collect() }
    }

    /// The places that show a hazard, without tests of the kernel.
    pub fn alike(&self, hazard: &str) -> Vec<&ReviewedPlace> {
        self.rows.iter().filter(|row| row.review.hazards.iter().any(|name| name.eq_ignore_ascii_case(hazard))).collect()
    }

    /// How many places show a hazard, and in which subsystems, the most first: `127 places in Linux 7.2.13: media 119, ...`.
    /// `None` if no place does.
    pub fn alike_in_words(&self, hazard: &str) -> Option<String> {
        let alike = self.alike(hazard);
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        alike.iter().for_each(|row| *counts.entry(row.place.subsystem()).or_default() += 1);
        let mut counts: Vec<(&str, usize)> = counts.into_iter().collect();
        counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let counts: Vec<String> = counts.iter().map(|(name, count)| format!("{name} {count}")).collect();
        let places = if alike.len() == 1 { "place" } else { "places" };
        (!alike.is_empty()).then(|| format!("{} {places} in Linux {}: {}", alike.len(), self.kernel, counts.join(", ")))
    }
}

impl Review {
    fn missing() -> Review {
        let unknown = || UNREVIEWED.to_string();
        Review { writer: unknown(), mode: unknown(), reached: unknown(), hazards: Vec::new(), note: String::new() }
    }

    /// Whether a reader still has to look.
    pub fn is_missing(&self) -> bool {
        [&self.writer, &self.mode, &self.reached].iter().any(|column| *column == UNREVIEWED)
    }
}

impl ReviewedPlace {
    fn parse(line: &str) -> Option<Self> {
        let columns: Vec<&str> = line.split('\t').collect();
        let [kind, what, file, function, number, direction, detail, writer, mode, reached, hazards, note] = columns[..]
        else {
            return None;
        };
        let text = |column: &str| if column == NOTHING { String::new() } else { column.to_string() };
        let direction = match direction {
            NOTHING => None,
            word => Some(DmaDirection::of_word(word)?),
        };
        let place = CallSite {
            kind: SiteKind::of_word(kind)?,
            what: what.into(),
            file: file.into(),
            function: text(function),
            line: number.parse().ok()?,
            direction,
            detail: text(detail),
        };
        let hazards = text(hazards).split(',').filter(|name| !name.is_empty()).map(str::to_string).collect();
        let review =
            Review { writer: writer.into(), mode: mode.into(), reached: reached.into(), hazards, note: text(note) };
        Some(ReviewedPlace { place, review })
    }

    fn line(&self) -> String {
        let ReviewedPlace { place, review } = self;
        let text = |column: &str| if column.is_empty() { NOTHING.to_string() } else { column.to_string() };
        let columns = [
            place.kind.word().to_string(),
            place.what.clone(),
            place.file.clone(),
            text(&place.function),
            place.line.to_string(),
            place.direction.map_or(NOTHING, DmaDirection::word).to_string(),
            text(&place.detail),
            review.writer.clone(),
            review.mode.clone(),
            review.reached.clone(),
            text(&review.hazards.join(",")),
            text(&review.note),
        ];
        columns.join("\t")
    }
}

#[cfg(test)]
mod tests;
