//! Coverage: which lines and branches of the kernel ran, over all guests.
//!
//! [`counters`] extracts the counters from a guest's records, and [`gcov`] translates them with gcc's own tool. The rest is pure:
//! it adds up several guests, and compares the sum with the lines that a series adds and with the known gaps.
//!
//! gcc counts compiled code. A line without code has no count, an inlined function is counted where it is inlined, and branches
//! are those of the compiled code: a condition with `&&` has several, and each inlined copy has its own.

pub mod added;
pub mod counters;
pub mod gcov;
pub mod lcov;
pub mod page;
pub mod summary;
pub mod uncovered;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Counts of source files, by their path in the kernel tree.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coverage {
    /// The files.
    pub files: BTreeMap<String, FileCounts>,
}

/// Counts of one file, by line from 1. Only lines with code are in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileCounts {
    /// Each place into which the line was compiled.
    pub lines: BTreeMap<usize, Vec<SourceLine>>,
}

/// Counts of one line in one place.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceLine {
    /// How often it ran.
    pub count: u64,
    /// How often each branch was taken, if there is more than one.
    pub branches: Vec<u64>,
}

/// A part of a total.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// What ran.
    pub hit: usize,
    /// The total.
    pub of: usize,
}

impl Share {
    /// Counts what ran among `all`.
    pub fn of(all: impl IntoIterator<Item = bool>) -> Self {
        all.into_iter()
            .fold(Share::default(), |share, ran| Share { hit: share.hit + usize::from(ran), of: share.of + 1 })
    }

    /// The sum of both.
    #[must_use]
    pub fn and(self, other: Share) -> Share {
        Share { hit: self.hit + other.hit, of: self.of + other.of }
    }

    /// In percent; `None` if the total is 0.
    pub fn percent(self) -> Option<f64> {
        (self.of > 0).then(|| 100.0 * self.hit as f64 / self.of as f64)
    }
}

impl FileCounts {
    /// How often a line ran, summed over all places; `None` for a line without code.
    pub fn count(&self, line: usize) -> Option<u64> {
        let places = self.lines.get(&line)?;
        Some(places.iter().fold(0, |sum, place| sum.saturating_add(place.count)))
    }

    /// The lines that have code and did not run.
    pub fn unreached(&self) -> impl Iterator<Item = usize> {
        self.lines.keys().copied().filter(|line| self.count(*line) == Some(0))
    }

    /// Lines that ran.
    pub fn line_share(&self) -> Share {
        Share::of(self.lines.keys().map(|line| self.count(*line) > Some(0)))
    }

    /// Branches that were taken.
    pub fn branch_share(&self) -> Share {
        let branches = self.lines.values().flatten().flat_map(|place| &place.branches);
        Share::of(branches.map(|taken| *taken > 0))
    }

    fn add(&mut self, other: &FileCounts) {
        for (line, theirs) in &other.lines {
            let ours = self.lines.entry(*line).or_default();
            if ours.len() < theirs.len() {
                ours.resize(theirs.len(), SourceLine::default());
            }
            for (ours, theirs) in ours.iter_mut().zip(theirs) {
                ours.count = ours.count.saturating_add(theirs.count);
                if ours.branches.len() < theirs.branches.len() {
                    ours.branches.resize(theirs.branches.len(), 0);
                }
                for (ours, theirs) in ours.branches.iter_mut().zip(&theirs.branches) {
                    *ours = ours.saturating_add(*theirs);
                }
            }
        }
    }
}

impl Coverage {
    /// Adds the counts of another guest on the same kernel.
    pub fn add(&mut self, other: &Coverage) {
        for (path, counts) in &other.files {
            self.files.entry(path.clone()).or_default().add(counts);
        }
    }
}

#[cfg(test)]
mod tests;
