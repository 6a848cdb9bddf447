//! A mutant, from the catalogue or generated.

use std::collections::BTreeMap;
use std::path::PathBuf;

use harness::patch::Edits;
use mutants::case_order;
use mutants::change::SourceChange;
use mutants::in_diff::InDiff;
use serde::{Deserialize, Serialize};

/// The description of a mutant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MutantInfo {
    /// The name of its patch, or a hash.
    pub id: String,
    /// `catalogue`, `closing`, `history` or `correct`, or the operator that made it.
    pub made_by: String,
    /// The file it changes first.
    pub file: PathBuf,
    /// The functions it changes.
    pub functions: Vec<String>,
    /// The line of the patched file, for a generated one.
    pub line: Option<usize>,
    /// What is wrong; for one of the history, how a program sees it.
    pub wrong: String,
    /// The clauses that should fail, for one that somebody wrote.
    pub clauses: Vec<String>,
}

impl MutantInfo {
    /// Whether somebody wrote it, in the catalogue or the history.
    pub fn by_hand(&self) -> bool {
        [CATALOGUE, CLOSING, HISTORY].contains(&self.made_by.as_str())
    }

    /// Whether nothing is wrong with it, and cases are what is tested.
    pub fn is_correct(&self) -> bool {
        self.made_by == CORRECT
    }

    /// `drivers/dma-buf/dma-buf.c:560 dma_buf_derive`.
    pub fn place(&self) -> String {
        let line = self.line.map(|line| format!(":{line}")).unwrap_or_default();
        format!("{}{line} {}", self.file.display(), self.functions.join(" ")).trim_end().to_string()
    }

    /// Whether a filter of the command line matches it.
    pub fn fits(&self, filter: &str) -> bool {
        if cases::clause::find(filter).is_some() {
            return self.clauses.iter().any(|clause| case_order::is(clause, filter));
        }
        let file = self.file.to_string_lossy();
        let names = self.functions.iter().map(String::as_str);
        names.chain([self.id.as_str(), &self.made_by, &file]).any(|name| name.contains(filter))
    }
}

/// [`MutantInfo::made_by`] of hand-written mutants.
pub const CATALOGUE: &str = "catalogue";

/// [`MutantInfo::made_by`] of mistakes in series that close hazards, and the name of their directory.
pub const CLOSING: &str = "closing";

/// [`MutantInfo::made_by`] of bugs that were in the kernel once, and the name of their directory.
pub const HISTORY: &str = "history";

/// [`MutantInfo::made_by`] of correct implementations, and the name of their directory.
pub const CORRECT: &str = "correct";

/// A mutant.
#[derive(Clone, Debug)]
pub struct Mutant {
    /// Its description.
    pub about: MutantInfo,
    /// The files that differ from the patched tree.
    pub edits: Edits,
    /// The kernel that it is in.
    pub place: MutantKernel,
}

/// Which kernel a mutant is in.
#[derive(Clone, Debug)]
pub enum MutantKernel {
    /// The joint kernel, as this number, with these changes of files.
    Joint(usize, BTreeMap<PathBuf, SourceChange>),
    /// One of its own, for this reason.
    Own(String),
    /// None, because it cannot be built, for this reason.
    None(String),
}

impl Mutant {
    /// A mutant with these edits, in the joint kernel if possible. `original` returns a file of the patched tree.
    pub fn new(about: MutantInfo, edits: Edits, original: impl Fn(&PathBuf) -> Option<String>) -> Self {
        let mut changes = BTreeMap::new();
        let mut place = None;
        for (path, contents) in &edits.0 {
            let text = contents.as_ref().map(|bytes| String::from_utf8_lossy(bytes).into_owned());
            let change = match (path.extension().is_some_and(|extension| extension == "c"), original(path), text) {
                (true, Some(original), Some(text)) => SourceChange::between(&original, &text),
                _ => Err(format!("it changes {}", path.display())),
            };
            match change {
                Ok(change) => drop(changes.insert(path.clone(), change)),
                Err(why) => place = Some(MutantKernel::Own(why)),
            }
        }
        let mut about = about;
        if about.functions.is_empty() {
            about.functions = changes.values().flat_map(|change| change.changed.keys().cloned()).collect();
        }
        // The number is set when all mutants are known.
        Mutant { about, edits, place: place.unwrap_or(MutantKernel::Joint(0, changes)) }
    }

    /// Whether it changes a line that the diff adds. For a mutant of the catalogue: whether one of its functions has such a line.
    ///
    /// # Errors
    /// As [`InDiff::lines`].
    pub fn is_in(&self, diff: &InDiff, original: impl Fn(&PathBuf) -> Option<String>) -> harness::error::Result<bool> {
        for path in self.edits.0.keys() {
            let Some(text) = original(path) else { continue };
            let lines = diff.lines(path, &text)?;
            let items = mutants::c_file::items(&text);
            let within = |line: usize| {
                let function = mutants::c_file::function_at(&items, &text, line);
                function
                    .and_then(|index| items[index].name())
                    .is_some_and(|name| self.about.functions.iter().any(|own| own == name))
            };
            let own = self.about.line.filter(|_| *path == self.about.file);
            if own.map_or_else(|| lines.iter().any(|line| within(*line)), |line| lines.contains(&line)) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
