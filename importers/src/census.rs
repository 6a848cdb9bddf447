//! All places of a tree.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use harness::error::{Error, ErrorKind, Result};
use harness::host::process::check_interrupt;
use harness::source::SourceTree;
use serde::Serialize;

use crate::extract::places;
use crate::files::{Prefilter, c_files};
use crate::macros::ImportMacros;
use crate::site::CallSite;
use crate::syntax::FileParser;
use crate::vocabulary::{is_wanted_call, needles};

/// The importers of a kernel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Census {
    /// The version in the Makefile.
    pub version: String,
    /// Where the tree came from.
    pub origin: String,
    /// C files that were searched.
    pub searched: usize,
    /// C files that were parsed, because they contain one of the words.
    pub parsed: usize,
    /// The places, in the order of files and lines.
    pub places: Vec<CallSite>,
}

/// The stack of a thread that walks through syntax, in bytes: an expression in a file may be nested deeply.
const STACK: usize = 64 << 20;

/// Searches a tree, with one thread for each processor.
///
/// # Errors
/// [`ErrorKind::Source`] when a file cannot be read; [`ErrorKind::Interrupt`].
pub fn take(tree: &SourceTree) -> Result<Census> {
    let files = c_files(&tree.dir)?;
    let prefilter = Prefilter::new(&needles())?;
    let next = AtomicUsize::new(0);
    let found: Mutex<Vec<(usize, Vec<CallSite>)>> = Mutex::new(Vec::new());
    let work = || worker(&tree.dir, &files, &prefilter, &next, &found);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        let start = |_| std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, work);
        let started: std::io::Result<Vec<_>> = (0..threads).map(start).collect();
        let started =
            started.map_err(|error| Error::new(ErrorKind::Host, "a thread cannot be started").cause(error))?;
        let panicked = |_| Err(Error::new(ErrorKind::Internal, "the search of a tree panicked"));
        started.into_iter().try_for_each(|thread| thread.join().unwrap_or_else(panicked))
    })?;
    let mut found = found.into_inner().unwrap_or_default();
    found.sort_by_key(|(index, _)| *index);
    let parsed = found.len();
    let mut places: Vec<CallSite> = found.into_iter().flat_map(|(_, places)| places).collect();
    let macros = ImportMacros::read(&tree.dir);
    places.iter_mut().for_each(|place| macros.explain(place));
    Ok(Census { version: tree.version.clone(), origin: tree.origin.clone(), searched: files.len(), parsed, places })
}

/// Takes files until there are no more.
fn worker(
    tree: &Path,
    files: &[PathBuf],
    prefilter: &Prefilter,
    next: &AtomicUsize,
    found: &Mutex<Vec<(usize, Vec<CallSite>)>>,
) -> Result<()> {
    let mut parser = FileParser::new()?;
    let mut buffer = Vec::new();
    loop {
        let index = next.fetch_add(1, Ordering::Relaxed);
        let Some(path) = files.get(index) else { return Ok(()) };
        check_interrupt()?;
        let Some(text) = prefilter.read(path, &mut buffer)? else { continue };
        let name = path.strip_prefix(tree).unwrap_or(path).to_string_lossy();
        let places = places(&name, &parser.parse(&text, is_wanted_call));
        let lost = |_| Error::new(ErrorKind::Internal, "the search of a tree panicked");
        found.lock().map_err(lost)?.push((index, places));
    }
}
