//! Kernel trees from git: one entry of the cache for each git tree.
//!
//! The next commit of a repository is unpacked on top of the one before: equal files are hard-linked, others are written.
//! This keeps a step of a bisect fast and small.

use std::fs;
use std::path::{Path, PathBuf};

use super::{SourceTree, cached, keep, unpack};
use crate::error::{ErrorKind, Result, io};
use crate::host::process::Cmd;
use crate::host::progress::{Mode, Progress};
use crate::host::store::Store;
use crate::source::git_spec::{Commit, GitSpec, RefLookup};
use crate::source::repository::Repository;

/// If more files than this differ, the whole tree is unpacked.
const FAR: usize = 20_000;
/// Paths on one command line.
const AT_ONCE: usize = 400;
/// The directory in the archive.
const TOP: &str = "linux";
/// The file that lists the unpacked trees of a repository, the most recent one last.
const UNPACKED: &str = "unpacked";

/// The key is the id of the commit's tree, so two commits with the same files share an entry.
pub fn provide(spec: &GitSpec, store: &Store, progress: &Progress, look: RefLookup) -> Result<SourceTree> {
    let repository = Repository::open(&spec.location, store)?;
    let commit = repository.commit(&spec.reference, look, progress)?;
    let key = format!("git-{}", &commit.tree[..24]);
    let origin = match commit.id.starts_with(&spec.reference) {
        true => format!("commit {} of {}", &commit.id[..12], spec.location),
        false => format!("commit {} ({}) of {}", &commit.id[..12], spec.reference, spec.location),
    };
    // The entry may be from another commit with the same files, so its origin is replaced.
    let tree = match cached(store, &key) {
        Some(tree) => tree,
        None => unpacked(&repository, &commit, &key, &origin, store, progress)?,
    };
    remember(&repository, &commit.tree)?;
    Ok(SourceTree { origin, ..tree })
}

fn unpacked(
    repository: &Repository,
    commit: &Commit,
    key: &str,
    origin: &str,
    store: &Store,
    progress: &Progress,
) -> Result<SourceTree> {
    let what = format!("commit {}", &commit.id[..12]);
    keep(store, key, origin, &what, |dir| match nearest(repository, commit, store)? {
        Some((base, changes)) => {
            let task = progress.task(&format!("unpacking {what}, {} files differ", changes.all.len()), None);
            let top = dir.join(TOP);
            Cmd::new("cp")
                .args(["--archive", "--link", "--no-target-directory"])
                .path(&base)
                .path(&top)
                .succeed(ErrorKind::Host, "hard-linking the previous kernel tree failed")?;
            for path in &changes.all {
                clear(&top.join(path))?;
            }
            for paths in changes.written.chunks(AT_ONCE) {
                archive(repository, commit, paths, dir, progress)?;
            }
            task.done("unpacked");
            Ok(())
        }
        None => archive(repository, commit, &[], dir, progress),
    })
}

struct Changes {
    /// Every path that was changed, added or deleted.
    all: Vec<PathBuf>,
    /// Those that exist in the commit.
    written: Vec<PathBuf>,
}

/// The most recent tree of this repository that is still in the cache, and the differences from it.
fn nearest(repository: &Repository, commit: &Commit, store: &Store) -> Result<Option<(PathBuf, Changes)>> {
    for tree in known(repository).iter().rev() {
        let Some(base) = cached(store, &format!("git-{}", &tree[..24])) else { continue };
        let list = ["diff-tree", "-r", "-z", "--no-renames", "--name-status", tree, &commit.tree];
        let output = repository.git().args(list).run()?;
        if !output.status.success() {
            continue;
        }
        let fields: Vec<&str> = output.text.trim_end_matches('\n').split_terminator('\0').collect();
        let (pairs, text) = (fields.chunks_exact(2), !output.text.contains('\u{fffd}'));
        if !text || !pairs.remainder().is_empty() || pairs.len() > FAR {
            continue;
        }
        let mut changes = Changes { all: Vec::new(), written: Vec::new() };
        for pair in pairs {
            changes.all.push(pair[1].into());
            if pair[0] != "D" {
                changes.written.push(pair[1].into());
            }
        }
        return Ok(Some((base.dir, changes)));
    }
    Ok(None)
}

/// Removes a file, and the directories that become empty.
fn clear(path: &Path) -> Result<()> {
    match fs::symlink_metadata(path) {
        // A submodule, which is an empty directory.
        Ok(meta) if meta.is_dir() => return Ok(()),
        Ok(_) => fs::remove_file(path).map_err(|error| io(&error, "removing", path))?,
        Err(_) => return Ok(()),
    }
    let mut dir = path.parent();
    while let Some(empty) = dir.filter(|dir| fs::remove_dir(dir).is_ok()) {
        dir = empty.parent();
    }
    Ok(())
}

/// Unpacks the given files of a commit, or all of them.
fn archive(
    repository: &Repository,
    commit: &Commit,
    paths: &[PathBuf],
    into: &Path,
    progress: &Progress,
) -> Result<()> {
    let what = format!("commit {}", &commit.id[..12]);
    let mut git = repository.git().args(["--literal-pathspecs", "archive", "--format=tar"]);
    git = git.args([&format!("--prefix={TOP}/"), &commit.id, "--"]);
    git = paths.iter().fold(git, |git, path| git.path(path));
    // Only the whole tree has its own progress bar.
    let quiet = Progress::new(Mode::Quiet);
    let shown = if paths.is_empty() { progress } else { &quiet };
    let task = shown.bytes(&format!("unpacking {what}"), None);
    let done = unpack::printed_by(&git, &what, |tar| unpack::extract(tar, &what, into, &task));
    if done.is_ok() {
        task.done("unpacked");
    }
    done
}

/// The unpacked trees of a repository, the most recent one last.
fn known(repository: &Repository) -> Vec<String> {
    let text = fs::read_to_string(repository.note(UNPACKED)).unwrap_or_default();
    text.lines().filter(|line| crate::source::repository::is_id(line)).map(str::to_string).collect()
}

fn remember(repository: &Repository, tree: &str) -> Result<()> {
    let mut trees = known(repository);
    trees.retain(|known| known != tree);
    trees.push(tree.to_string());
    let recent = &trees[trees.len().saturating_sub(50)..];
    let path = repository.note(UNPACKED);
    fs::write(&path, recent.join("\n") + "\n").map_err(|error| io(&error, "writing", &path))
}
