//! The directory in which a series is applied: a repository of its own, and the files that the patches touch.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::{Edits, checked};
use crate::error::{Blame, Result, io};
use crate::git::git;
use crate::process::{Cmd, scratch_directory};
use crate::series::Patch;

/// Goes away with the value.
pub struct Scratch {
    dir: tempfile::TempDir,
    source: PathBuf,
    base: Edits,
    touched: BTreeSet<PathBuf>,
}

impl Scratch {
    /// An empty one, for a source that is edited already.
    pub fn new(source: &Path, base: &Edits) -> Result<Self> {
        let (source, base) = (source.to_path_buf(), base.clone());
        let scratch = Scratch { dir: scratch_directory()?, source, base, touched: BTreeSet::new() };
        // A repository of its own keeps git from finding one above the temporary directory and applying paths to that.
        git().args(["init", "--quiet", "--template="]).path(&scratch.tree()).succeed(Blame::Host, "git init failed")?;
        Ok(scratch)
    }

    /// Where the files are.
    pub fn tree(&self) -> PathBuf {
        self.dir.path().join("tree")
    }

    /// The patch that was brought last, as a file.
    pub fn patch(&self) -> PathBuf {
        self.dir.path().join("patch")
    }

    /// git in it.
    pub fn git(&self) -> Cmd {
        git().dir(&self.tree())
    }

    /// Writes a patch down, and brings the files that it touches and that no patch before it did. Gives their paths.
    pub fn bring(&mut self, patch: &Patch) -> Result<Vec<PathBuf>> {
        checked::text(patch)?;
        fs::write(self.patch(), &patch.text).map_err(|error| io(&error, "writing", &self.patch()))?;
        let paths = checked::paths(&self.git(), &self.patch(), patch)?;
        checked::places(&self.source, &paths, patch)?;
        for path in &paths {
            if self.touched.insert(path.clone()) {
                self.copy(path)?;
            }
        }
        Ok(paths)
    }

    /// Writes down one file as it was before the patches, if it was there.
    fn copy(&self, path: &Path) -> Result<()> {
        let Some(text) = self.before(path)? else { return Ok(()) };
        let to = self.tree().join(path);
        let parent = to.parent().unwrap_or(&to);
        fs::create_dir_all(parent).map_err(|error| io(&error, "creating", parent))?;
        fs::write(&to, text).map_err(|error| io(&error, "writing", &to))
    }

    /// The file as the patches found it.
    fn before(&self, path: &Path) -> Result<Option<Vec<u8>>> {
        self.base.0.get(path).map_or_else(|| contents(&self.source.join(path)), |edited| Ok(edited.clone()))
    }

    /// What the patches changed.
    pub fn edits(&self) -> Result<Edits> {
        let mut edits = Edits::default();
        for path in &self.touched {
            let after = contents(&self.tree().join(path))?;
            if self.before(path)? != after {
                edits.0.insert(path.clone(), after);
            }
        }
        Ok(edits)
    }
}

/// A file, if it is there.
fn contents(path: &Path) -> Result<Option<Vec<u8>>> {
    if path.is_dir() {
        return Ok(None);
    }
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(error) => Err(io(&error, "reading", path)),
    }
}
