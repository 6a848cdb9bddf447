//! A kernel with coverage counters, and what tests reached in it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use harness::error::{Error, ErrorKind, Result};
use harness::judge::guest_run::GuestRun;
use harness::kbuild::image::{KernelImage, gcov_files};
use harness::session::guest_directories::directories;
use mutants::coverage::added::{self, Added};
use mutants::coverage::counters::{Counters, Lost, counters};
use mutants::coverage::summary::{CoverageRow, Sources, rows, table};
use mutants::coverage::{Coverage, gcov};

use crate::run::pipeline::Tree;

/// The flavour with counters.
pub const FLAVOUR: &str = "coverage";

/// What the cases, or other tests, reached.
#[derive(Default)]
pub struct SuiteCoverage {
    /// All guests together.
    pub coverage: Coverage,
    /// Guests without counters.
    pub lost: Vec<Lost>,
}

/// A kernel with counters.
pub struct CoverageKernel {
    pub(super) notes: PathBuf,
    pub(super) place: PathBuf,
    pub(super) wanted: BTreeSet<PathBuf>,
    pub(super) sources: Sources,
    pub(super) added: Added,
}

impl CoverageKernel {
    /// The counters of a kernel; `None` if it has none.
    ///
    /// # Errors
    /// [`ErrorKind::Internal`] when the image lacks gcc's notes (`.gcno`).
    pub fn of(tree: &Tree, image: &KernelImage) -> Result<Option<Self>> {
        let files = gcov_files::files(&tree.flavour, &tree.patched);
        if files.is_empty() {
            return Ok(None);
        }
        let (notes, place) = (gcov_files::notes(image), gcov_files::sources(image));
        if !notes.is_dir() {
            return Err(Error::new(ErrorKind::Internal, "the image has counters, but gcc's notes are missing")
                .cause(format!("there is no directory {}", notes.display())));
        }
        let added = added::of(&tree.patched);
        let wanted: BTreeSet<PathBuf> = files.into_iter().chain(added.keys().map(PathBuf::from)).collect();
        let sources = Sources::read(&place, &wanted);
        Ok(Some(CoverageKernel { notes, place, wanted, sources, added }))
    }

    /// Translates the counters of one guest into lines and branches.
    ///
    /// # Errors
    /// As [`gcov::read`].
    pub fn read(&self, counters: &Counters) -> Result<Coverage> {
        gcov::read(&self.notes, counters, &self.wanted)
    }

    /// All lines, none of them reached.
    ///
    /// # Errors
    /// As [`gcov::read`].
    pub fn nothing(&self) -> Result<Coverage> {
        self.read(&Counters::new())
    }

    /// Adds up all guests whose recordings are below `dir`.
    pub(super) fn gather(&self, dir: &Path) -> Result<SuiteCoverage> {
        let mut suite = SuiteCoverage { coverage: self.nothing()?, lost: Vec::new() };
        for (guest, dir) in (1..).zip(directories(dir)) {
            let run = GuestRun::load(&dir)?;
            match counters(&run.recording.results, &run.recording.ending) {
                Ok(counters) => suite.coverage.add(&self.read(&counters)?),
                Err(why) => {
                    let keys: Vec<String> = run.begun().iter().map(ToString::to_string).collect();
                    suite.lost.push(Lost { guest, why: format!("{why}; it ran {}", keys.join(", ")) });
                }
            }
        }
        Ok(suite)
    }

    pub(super) fn rows(&self, suite: &SuiteCoverage) -> BTreeMap<String, CoverageRow> {
        rows(&suite.coverage, &self.sources, &self.added)
    }

    /// A table with a column for each suite.
    pub fn table(&self, suites: &[(&str, &SuiteCoverage)]) -> String {
        let suites: Vec<_> = suites.iter().map(|(name, suite)| (*name, self.rows(suite))).collect();
        table(&suites)
    }

    /// C files that the series changes and that this flavour does not compile.
    pub(super) fn unbuilt(&self) -> Vec<&String> {
        let code = |path: &&String| path.ends_with(".c") && !self.notes.join(path).with_extension("gcno").is_file();
        self.added.keys().filter(code).collect()
    }
}
