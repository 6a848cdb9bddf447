//! What is not reached, and why: `harness/uncovered.toml`.
//!
//! An entry speaks of a function or of lines with a certain text in it. It is stale when all of that is reached.

use serde::Deserialize;

use super::{Coverage, FileCounts};
use crate::error::{Blame, Context, Error, Result};
use crate::mutant::c_file::{self, Item};

/// The format that is understood.
const VERSION: u32 = 1;
const BUILT_IN: &str = include_str!("../../uncovered.toml");
const FILE: &str = "harness/uncovered.toml";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: u32,
    #[serde(default)]
    unreached: Vec<Excuse>,
}

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Excuse {
    /// Path in the kernel tree.
    pub file: String,
    /// Name of the function.
    pub function: String,
    /// Lines of it, as they stand there without what is around; without any it is the whole function.
    #[serde(default)]
    pub lines: Vec<String>,
    /// Why no case gets there.
    pub reason: String,
}

/// A source file, taken apart into its functions.
pub struct Source<'a> {
    /// Its text.
    pub text: &'a str,
    items: Vec<Item>,
}

/// The entries.
#[derive(Clone, Debug, Default)]
pub struct Excuses(Vec<Excuse>);

impl<'a> Source<'a> {
    /// Takes a text apart.
    pub fn new(text: &'a str) -> Self {
        Source { text, items: c_file::items(text) }
    }

    /// The function that a line is in.
    pub fn function(&self, line: usize) -> Option<&str> {
        self.items[c_file::function_at(&self.items, self.text, line)?].name()
    }

    /// Every function with its lines.
    pub fn functions(&self) -> impl Iterator<Item = (&str, std::ops::Range<usize>)> {
        let functions = self.items.iter().filter(|item| matches!(item.kind, c_file::Kind::Function(_)));
        functions.filter_map(|item| Some((item.name()?, item.line..item.line + item.text(self.text).lines().count())))
    }

    fn line(&self, number: usize) -> &str {
        self.text.lines().nth(number - 1).unwrap_or_default().trim()
    }
}

impl Excuse {
    fn is_about(&self, file: &str, source: &Source<'_>, line: usize) -> bool {
        self.file == file
            && source.function(line) == Some(self.function.as_str())
            && (self.lines.is_empty() || self.lines.iter().any(|text| text == source.line(line)))
    }

    /// What of it is not true any more, in a sentence. A function that the kernel does not have, or not in the files that were
    /// counted, says nothing about the entry.
    fn stale(&self, counts: &FileCounts, source: &Source<'_>) -> Option<String> {
        if !source.functions().any(|(name, _)| name == self.function) {
            return None;
        }
        let unreached = |line: &usize| self.is_about(&self.file, source, *line);
        if self.lines.is_empty() {
            let reached = !counts.unreached().any(|line| unreached(&line));
            return reached.then(|| format!("{}(): all of it is reached", self.function));
        }
        let still =
            |text: &&String| counts.unreached().filter(unreached).any(|line| source.line(line) == text.as_str());
        let wrong = self.lines.iter().find(|text| !still(text))?;
        Some(format!("{}(): `{wrong}` is reached, or not there", self.function))
    }
}

impl Excuses {
    /// The list of this program.
    ///
    /// # Errors
    /// As [`Excuses::parse`].
    pub fn built_in() -> Result<Self> {
        Excuses::parse(BUILT_IN)
    }

    /// Reads a list.
    ///
    /// # Errors
    /// [`Blame::Internal`] for what is no such list, an entry without a reason, or two for the same lines.
    pub fn parse(text: &str) -> Result<Self> {
        let file: File = toml::from_str(text).context(Blame::Internal, || format!("{FILE} makes no sense"))?;
        let wrong = |what: String| Err(Error::new(Blame::Internal, format!("{FILE}: {what}")));
        if file.version != VERSION {
            return wrong(format!("it has version {}, this program reads {VERSION}", file.version));
        }
        for (index, entry) in file.unreached.iter().enumerate() {
            if entry.reason.trim().is_empty() {
                return wrong(format!("{}() has no reason", entry.function));
            }
            let same = |other: &Excuse| {
                other.file == entry.file && other.function == entry.function && other.lines == entry.lines
            };
            if file.unreached[..index].iter().any(same) {
                return wrong(format!("{}() is there twice", entry.function));
            }
        }
        Ok(Excuses(file.unreached))
    }

    /// Why a line is not reached.
    pub fn reason(&self, file: &str, source: &Source<'_>, line: usize) -> Option<&str> {
        self.0.iter().find(|excuse| excuse.is_about(file, source, line)).map(|excuse| excuse.reason.as_str())
    }

    /// Entries that are not true any more, a sentence each.
    pub fn stale<'a>(&'a self, coverage: &Coverage, source: impl Fn(&str) -> Option<&'a Source<'a>>) -> Vec<String> {
        let each = self.0.iter().filter_map(|excuse| {
            let said = excuse.stale(coverage.files.get(&excuse.file)?, source(&excuse.file)?)?;
            Some(format!("{FILE}, {}, {said}", excuse.file))
        });
        each.collect()
    }
}
