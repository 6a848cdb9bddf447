//! Why lines are not reached: `mutants/uncovered.toml`.
//!
//! An entry is about functions that are not reached at all, or about lines with a certain text in them. It is stale when any of
//! them is reached. Lines that a series adds need an entry with `added = true`, because they may look like old lines.

use serde::Deserialize;

use super::{Coverage, FileCounts};
use crate::c_file::{self, Item};
use harness::error::{Context, Error, ErrorKind, Result};

/// The format version that this program reads.
const VERSION: u32 = 1;
const BUILT_IN: &str = include_str!("../../uncovered.toml");
const FILE: &str = "mutants/uncovered.toml";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: u32,
    #[serde(default)]
    unreached: Vec<UncoveredEntry>,
}

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UncoveredEntry {
    /// Path in the kernel tree.
    pub file: String,
    /// Names of functions.
    pub functions: Vec<String>,
    /// Text of lines in them, trimmed; if empty, the whole functions.
    #[serde(default)]
    pub lines: Vec<String>,
    /// Whether it is about lines that a series adds.
    #[serde(default)]
    pub added: bool,
    /// Why no case reaches them.
    pub reason: String,
}

/// A source file, split into functions.
pub struct Source<'a> {
    /// Its text.
    pub text: &'a str,
    items: Vec<Item>,
}

/// The entries.
#[derive(Clone, Debug, Default)]
pub struct UncoveredList(Vec<UncoveredEntry>);

impl<'a> Source<'a> {
    /// Splits a text into functions.
    pub fn new(text: &'a str) -> Self {
        Source { text, items: c_file::items(text) }
    }

    /// The function that a line is in.
    pub fn function(&self, line: usize) -> Option<&str> {
        self.items[c_file::function_at(&self.items, self.text, line)?].name()
    }

    /// Every function with its lines.
    pub fn functions(&self) -> impl Iterator<Item = (&str, std::ops::Range<usize>)> {
        let functions = self.items.iter().filter(|item| matches!(item.kind, c_file::ItemKind::Function(_)));
        functions.filter_map(|item| Some((item.name()?, item.line..item.line + item.text(self.text).lines().count())))
    }

    fn line(&self, number: usize) -> &str {
        self.text.lines().nth(number - 1).unwrap_or_default().trim()
    }
}

impl UncoveredEntry {
    fn is_about(&self, file: &str, source: &Source<'_>, line: usize) -> bool {
        self.file == file
            && source.function(line).is_some_and(|function| self.functions.iter().any(|name| name == function))
            && (self.lines.is_empty() || self.lines.iter().any(|text| text == source.line(line)))
    }

    /// Why the entry no longer applies, if so. Missing functions and lines count only on the kernel that the list was written
    /// for (`reference`).
    fn stale(&self, counts: &FileCounts, source: &Source<'_>, reference: bool) -> Option<String> {
        let reached = |line: usize| counts.count(line) > Some(0);
        for name in &self.functions {
            let Some((_, lines)) = source.functions().find(|(function, _)| function == name) else {
                if reference {
                    return Some(format!("{name}() does not exist"));
                }
                continue;
            };
            if self.lines.is_empty() && lines.clone().any(reached) {
                return Some(format!("{name}() is reached, at least in part: name the lines that are not"));
            }
        }
        for text in &self.lines {
            let among = || counts.lines.keys().copied().filter(|line| source.line(*line) == text);
            let mut here = among().filter(|line| self.is_about(&self.file, source, *line)).peekable();
            if here.peek().is_some() && here.all(reached) {
                return Some(format!("`{text}` in {} is reached", self.functions.join(", ")));
            }
            if reference && !among().any(|line| self.is_about(&self.file, source, line)) {
                return Some(format!("`{text}` is not in {}", self.functions.join(", ")));
            }
        }
        None
    }
}

impl UncoveredList {
    /// The built-in list.
    ///
    /// # Errors
    /// As [`UncoveredList::parse`].
    pub fn built_in() -> Result<Self> {
        UncoveredList::parse(BUILT_IN)
    }

    /// Parses a list.
    ///
    /// # Errors
    /// [`ErrorKind::Internal`] for an invalid list, an entry without a reason, or two for the same lines.
    pub fn parse(text: &str) -> Result<Self> {
        let file: File = toml::from_str(text).context(ErrorKind::Internal, || format!("{FILE} cannot be parsed"))?;
        let wrong = |what: String| Err(Error::new(ErrorKind::Internal, format!("{FILE}: {what}")));
        if file.version != VERSION {
            return wrong(format!("it has version {}, this program reads {VERSION}", file.version));
        }
        for (index, entry) in file.unreached.iter().enumerate() {
            if entry.reason.trim().is_empty() {
                return wrong(format!("{} has no reason", entry.functions.join(", ")));
            }
            let same = |other: &UncoveredEntry| {
                let shared = other.functions.iter().any(|name| entry.functions.contains(name));
                let lines = other.lines.is_empty()
                    || entry.lines.is_empty()
                    || other.lines.iter().any(|text| entry.lines.contains(text));
                other.file == entry.file && other.added == entry.added && shared && lines
            };
            if file.unreached[..index].iter().any(same) {
                return wrong(format!("two entries are about the same lines of {}", entry.functions.join(", ")));
            }
        }
        Ok(UncoveredList(file.unreached))
    }

    /// The reason why a line is not reached.
    pub fn reason(&self, file: &str, source: &Source<'_>, line: usize, added: bool) -> Option<&str> {
        let fits = |excuse: &&UncoveredEntry| excuse.added == added && excuse.is_about(file, source, line);
        self.0.iter().find(fits).map(|excuse| excuse.reason.as_str())
    }

    /// Entries that no longer apply, each with the reason. `reference`: whether this is the kernel and series they were written
    /// for.
    pub fn stale<'a>(
        &self,
        coverage: &Coverage,
        source: impl Fn(&str) -> Option<&'a Source<'a>>,
        reference: bool,
    ) -> Vec<String> {
        let each = self.0.iter().filter_map(|excuse| {
            let why = excuse.stale(coverage.files.get(&excuse.file)?, source(&excuse.file)?, reference)?;
            Some(format!("{FILE}, {}, {why}", excuse.file))
        });
        each.collect()
    }
}
