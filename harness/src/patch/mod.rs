//! From a source tree and a series to a patched tree, without changing the source.
//!
//! `git apply` applies patches in a scratch directory that contains only the files they touch. The result is a set of
//! edits, which is all that the build directory needs. Patches are not trusted: paths that lead out of the tree are
//! rejected before git sees them (`checked.rs`).

mod checked;
pub mod fit;
pub mod overlay;
mod rejected;
mod scratch;
pub mod series;
mod three_way;
pub mod uapi_header;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::error::full_disk;
use crate::error::{Error, ErrorKind, Result, io};
use crate::host::store::Store;
use crate::patch::series::Series;
use crate::source::SourceTree;
use overlay::Overlay;
use rejected::Rejected;
use scratch::ScratchRepository;
pub use three_way::RelatedTrees;

/// Differences from the source: contents by path, or None for a removed file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edits(pub BTreeMap<PathBuf, Option<Vec<u8>>>);

impl Edits {
    /// Hash over all paths and contents.
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        for (path, contents) in &self.0 {
            hash.update(path.to_string_lossy().as_bytes());
            hash.update([0]);
            match contents {
                Some(contents) => {
                    hash.update([1]);
                    hash.update((contents.len() as u64).to_le_bytes());
                    hash.update(contents);
                }
                None => hash.update([2]),
            }
        }
        format!("{:x}", hash.finalize())
    }
}

/// A source with a series and the test importer applied.
#[derive(Debug)]
pub struct PatchedTree {
    /// The source.
    pub source: SourceTree,
    /// The differences from it.
    pub edits: Edits,
    /// Whether the patched header defines the ioctl, so that the kernel is expected to have it.
    pub defines_derive: bool,
    /// Remarks for the report: patches that were merged, a header without the ioctl.
    pub notes: Vec<String>,
}

impl PatchedTree {
    /// Applies `series` and adds the test importer. Warns about patches that had to be merged.
    ///
    /// # Errors
    /// [`ErrorKind::Patch`] with file and hunk when a patch does not apply.
    pub fn make(source: SourceTree, series: &Series, overlay: &Overlay, store: &Store) -> Result<Self> {
        let Applied { mut edits, merged: mut notes } = apply(&source.dir, series, &RelatedTrees::of(&source, store))?;
        notes.iter().for_each(|note| store.progress().warn(note));
        let merged = notes.len();
        let header = contents(&source.dir, &edits, Path::new(uapi_header::PATH))?;
        let defines_derive = uapi_header::defines_derive(&String::from_utf8_lossy(&header));
        if !defines_derive && !series.patches.is_empty() {
            notes.push("the patched header has no DMA_BUF_IOCTL_DERIVE: judged as a kernel without it".into());
        }
        // Not a warning: the report shows it too.
        notes[merged..].iter().for_each(|note| store.progress().line(note));
        overlay.add(&source.dir, &mut edits)?;
        Ok(PatchedTree { source, edits, defines_derive, notes })
    }
}

/// The contents of a file after the edits.
fn contents(dir: &Path, edits: &Edits, path: &Path) -> Result<Vec<u8>> {
    match edits.0.get(path) {
        Some(Some(contents)) => Ok(contents.clone()),
        Some(None) => Ok(Vec::new()),
        None => {
            fs::read(dir.join(path)).map_err(|error| io(&error, "reading", &dir.join(path))).map_err(|mut error| {
                error.kind = ErrorKind::Source;
                error
            })
        }
    }
}

/// The result of applying a series.
#[derive(Debug, Default)]
pub struct Applied {
    /// The differences from the source.
    pub edits: Edits,
    /// One line for each patch that git had to merge.
    pub merged: Vec<String>,
}

/// Applies a series to the files it touches and returns the differences. If a patch does not apply, tries a three-way merge with
/// the files in `related` that the patches were written for.
///
/// # Errors
/// As [`PatchedTree::make`].
pub fn apply(source: &Path, series: &Series, related: &RelatedTrees) -> Result<Applied> {
    if series.patches.is_empty() {
        return Ok(Applied::default());
    }
    let mut scratch = ScratchRepository::new(source)?;
    for patch in &series.patches {
        scratch.load(patch)?;
        let output = scratch.git().args(["apply", "--whitespace=nowarn"]).path(&scratch.patch()).run()?;
        if let Some(error) = full_disk(&output.text, "applying patches in", &scratch.tree()) {
            return Err(error);
        }
        if output.status.success() {
            continue;
        }
        let error = match rejected::report(&scratch, patch)? {
            Rejected::AlreadyApplied(error) => return Err(error),
            Rejected::DoesNotMatch(error) => error,
        };
        return three_way::apply(source, series, related)?.map_err(|why| {
            let cause = format!("{}\n{why}", error.cause);
            Error { cause: cause.trim().to_string(), ..error }
        });
    }
    Ok(Applied { edits: scratch.edits()?, merged: Vec::new() })
}

#[cfg(test)]
mod tests;
