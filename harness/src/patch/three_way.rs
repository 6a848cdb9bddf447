//! git's three-way merge, for patches that were written for other versions of the files.
//!
//! The index line of a patch has the blob id of the file it was written for. If that blob exists, in another kernel of the cache
//! or in a repository, git can apply the patch to it and merge the result. The preceding patches are applied to the same
//! files, which creates the blobs that later patches of a series need.

use std::path::{Path, PathBuf};

use super::Applied;
use super::scratch::ScratchRepository;
use crate::error::{ErrorKind, Result};
use crate::host::git::git;
use crate::host::process::Cmd;
use crate::host::store::Store;
use crate::patch::series::Series;
use crate::source::repository::quoted;
use crate::source::{KIND, SourceTree};

/// Where to look for the files that a patch was written for.
#[derive(Clone, Debug, Default)]
pub struct RelatedTrees {
    /// Other kernel trees.
    pub trees: Vec<PathBuf>,
    /// Directories of git objects.
    pub objects: Vec<PathBuf>,
}

impl RelatedTrees {
    /// The kernels and repositories of the cache, and the repository of the source, if it has one.
    pub fn of(source: &SourceTree, store: &Store) -> Self {
        let entries = |kind: &str, part: &str| -> Vec<PathBuf> {
            let paths = store.keys(kind).into_iter().map(|key| store.root().join(kind).join(key).join(part));
            paths.filter(|path| path.is_dir()).collect()
        };
        let mut related = RelatedTrees { trees: entries(KIND, "tree"), objects: entries("git", "objects") };
        related.trees.push(source.dir.clone());
        if source.dir.join(".git").exists() {
            let git = git().args(["-c", "safe.directory=*"]).dir(&source.dir);
            if let Ok(output) = git.args(["rev-parse", "--git-path", "objects"]).run()
                && output.status.success()
            {
                related.objects.push(source.dir.join(output.text.trim()));
            }
        }
        related
    }

    /// git in the scratch directory, with all these objects as alternates.
    fn git(&self, scratch: &ScratchRepository) -> Cmd {
        let objects: Vec<String> = self.objects.iter().map(|path| quoted(path)).collect();
        scratch.git().env("GIT_ALTERNATE_OBJECT_DIRECTORIES", objects.join(":"))
    }
}

/// Applies a series with three-way merges where necessary. The inner error says why the merge failed.
pub fn apply(source: &Path, series: &Series, related: &RelatedTrees) -> Result<std::result::Result<Applied, String>> {
    let mut scratch = ScratchRepository::new(source)?;
    let mut merged = Vec::new();
    for patch in &series.patches {
        let paths = scratch.load(patch)?;
        let git = || related.git(&scratch);
        let plumbing = |args: &[&str]| git().args(args).succeed(ErrorKind::Host, "git failed in a scratch directory");
        let known: Vec<PathBuf> =
            related.trees.iter().flat_map(|tree| paths.iter().map(|path| tree.join(path))).collect();
        let known = known.iter().filter(|path| path.is_file() && !path.is_symlink());
        known.fold(git().args(["hash-object", "-w", "--no-filters"]), |git, path| git.path(path)).run()?;
        plumbing(&["add", "--all", "--force", "."])?;
        let tree = plumbing(&["write-tree"])?.trim().to_string();
        let file = scratch.patch();
        let plain = git().args(["apply", "--check", "--whitespace=nowarn"]).path(&file).run()?.status.success();
        // Also if it is not needed: the merge writes the blobs that the next patch was written for.
        let output = git().args(["apply", "--3way", "--whitespace=nowarn"]).path(&file).run()?;
        if plain {
            plumbing(&["read-tree", "--reset", "-u", &tree])?;
            let applied = git().args(["apply", "--index", "--whitespace=nowarn"]).path(&file);
            applied.succeed(ErrorKind::Patch, "git does not apply a patch that passed its check")?;
            continue;
        }
        if !output.status.success() {
            return Ok(Err(failure(&output.text)));
        }
        let paths: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
        merged.push(format!("{} applied with a three-way merge to {}: check the result", patch.name, paths.join(", ")));
    }
    Ok(Ok(Applied { edits: scratch.edits()?, merged }))
}

fn failure(output: &str) -> String {
    let conflicts: Vec<&str> = output
        .lines()
        .filter_map(|line| line.strip_prefix("Applied patch to '")?.strip_suffix("' with conflicts."))
        .collect();
    match conflicts.is_empty() {
        true => "No three-way merge: no known kernel or repository has the file that the patch was written for.".into(),
        false => format!("A three-way merge has conflicts in {}.", conflicts.join(", ")),
    }
}
