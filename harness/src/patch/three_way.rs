//! git's three-way merge, for patches that were written for other versions of the files.
//!
//! A patch names the file it was written for by the sum of its contents. Where that file is known, from another kernel in
//! the cache or from a repository, git can apply the patch to it and merge the result. The patches before it are played
//! on the same files, so that those in the middle of a series are known too.

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

/// Where files may be that a patch was written for.
#[derive(Clone, Debug, Default)]
pub struct RelatedTrees {
    /// Other kernel trees.
    pub trees: Vec<PathBuf>,
    /// Directories of git objects.
    pub objects: Vec<PathBuf>,
}

impl RelatedTrees {
    /// The kernels and repositories of the cache, and the repository of the source if it is in one.
    pub fn of(source: &SourceTree, store: &Store) -> Self {
        let entries = |kind: &str, part: &str| -> Vec<PathBuf> {
            let paths = store.keys(kind).into_iter().map(|key| store.root().join(kind).join(key).join(part));
            paths.filter(|path| path.is_dir()).collect()
        };
        let mut kin = RelatedTrees { trees: entries(KIND, "tree"), objects: entries("git", "objects") };
        kin.trees.push(source.dir.clone());
        if source.dir.join(".git").exists() {
            let asked = git().args(["-c", "safe.directory=*"]).dir(&source.dir);
            if let Ok(output) = asked.args(["rev-parse", "--git-path", "objects"]).run()
                && output.status.success()
            {
                kin.objects.push(source.dir.join(output.text.trim()));
            }
        }
        kin
    }

    /// git in the scratch directory, with all these objects.
    fn git(&self, scratch: &ScratchRepository) -> Cmd {
        let objects: Vec<String> = self.objects.iter().map(|path| quoted(path)).collect();
        scratch.git().env("GIT_ALTERNATE_OBJECT_DIRECTORIES", objects.join(":"))
    }
}

/// Applies a series with merges where it does not apply as it is, or says why that does not help.
pub fn apply(source: &Path, series: &Series, kin: &RelatedTrees) -> Result<std::result::Result<Applied, String>> {
    let mut scratch = ScratchRepository::new(source)?;
    let mut merged = Vec::new();
    for patch in &series.patches {
        let paths = scratch.bring(patch)?;
        let git = || kin.git(&scratch);
        let plumbing = |args: &[&str]| git().args(args).succeed(ErrorKind::Host, "git failed in a scratch directory");
        let known: Vec<PathBuf> = kin.trees.iter().flat_map(|tree| paths.iter().map(|path| tree.join(path))).collect();
        let known = known.iter().filter(|path| path.is_file() && !path.is_symlink());
        known.fold(git().args(["hash-object", "-w", "--no-filters"]), |git, path| git.path(path)).run()?;
        plumbing(&["add", "--all", "--force", "."])?;
        let tree = plumbing(&["write-tree"])?.trim().to_string();
        let file = scratch.patch();
        let plain = git().args(["apply", "--check", "--whitespace=nowarn"]).path(&file).run()?.status.success();
        // Even where it is not needed: what git writes while it merges is what the next patch was written for.
        let output = git().args(["apply", "--3way", "--whitespace=nowarn"]).path(&file).run()?;
        if plain {
            plumbing(&["read-tree", "--reset", "-u", &tree])?;
            let applied = git().args(["apply", "--index", "--whitespace=nowarn"]).path(&file);
            applied.succeed(ErrorKind::Patch, "git does not apply what it could apply before")?;
            continue;
        }
        if !output.status.success() {
            return Ok(Err(failure(&output.text)));
        }
        let paths: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
        merged.push(format!(
            "{} applied with a three-way merge to {}: look at what came out",
            patch.name,
            paths.join(", ")
        ));
    }
    Ok(Ok(Applied { edits: scratch.edits()?, merged }))
}

fn failure(said: &str) -> String {
    let conflicts: Vec<&str> = said
        .lines()
        .filter_map(|line| line.strip_prefix("Applied patch to '")?.strip_suffix("' with conflicts."))
        .collect();
    match conflicts.is_empty() {
        true => {
            "No three-way merge: the file that the patch was written for is in no kernel and no repository here.".into()
        }
        false => format!("A three-way merge ends in conflicts in {}.", conflicts.join(", ")),
    }
}
