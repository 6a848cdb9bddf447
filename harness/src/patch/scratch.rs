//! The directory in which a series is applied: a git repository with the files that the patches touch.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::{Edits, checked};
use crate::error::{ErrorKind, Result, io};
use crate::host::git::git;
use crate::host::process::{Cmd, scratch_directory};
use crate::patch::series::Patch;

/// The directory is removed when the value is dropped.
pub struct ScratchRepository {
    dir: tempfile::TempDir,
    source: PathBuf,
    touched: BTreeSet<PathBuf>,
}

impl ScratchRepository {
    /// Creates an empty one for a source.
    pub fn new(source: &Path) -> Result<Self> {
        let scratch =
            ScratchRepository { dir: scratch_directory()?, source: source.to_path_buf(), touched: BTreeSet::new() };
        // Without its own repository, git could find one above the temporary directory and apply patches there.
        git()
            .args(["init", "--quiet", "--template="])
            .path(&scratch.tree())
            .succeed(ErrorKind::Host, "git init failed")?;
        Ok(scratch)
    }

    /// The directory of the files.
    pub fn tree(&self) -> PathBuf {
        self.dir.path().join("tree")
    }

    /// The file with the current patch.
    pub fn patch(&self) -> PathBuf {
        self.dir.path().join("patch")
    }

    /// git in this repository.
    pub fn git(&self) -> Cmd {
        git().dir(&self.tree())
    }

    /// Makes this the current patch and copies the files that it touches, unless an earlier patch did. Returns the paths of all files
    /// that it touches.
    pub fn load(&mut self, patch: &Patch) -> Result<Vec<PathBuf>> {
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

    /// Copies one file of the source, if it exists.
    fn copy(&self, path: &Path) -> Result<()> {
        let (from, to) = (self.source.join(path), self.tree().join(path));
        if !from.is_file() {
            return Ok(());
        }
        let parent = to.parent().unwrap_or(&to);
        fs::create_dir_all(parent).map_err(|error| io(&error, "creating", parent))?;
        fs::copy(&from, &to).map(drop).map_err(|error| io(&error, "copying", &from))
    }

    /// The differences from the source.
    pub fn edits(&self) -> Result<Edits> {
        let mut edits = Edits::default();
        let contents = |path: PathBuf| match fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => {
                Ok(None)
            }
            Err(error) => Err(io(&error, "reading", &path)),
        };
        for path in &self.touched {
            let (before, after) = (contents(self.source.join(path))?, contents(self.tree().join(path))?);
            if before != after {
                edits.0.insert(path.clone(), after);
            }
        }
        Ok(edits)
    }
}
