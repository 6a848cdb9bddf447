//! Changes a build directory from one pristine source to another: writes only the files that differ.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::error::{Context, ErrorKind, Result, io};
use crate::host::process::check_interrupt;

/// Makes the tree `to` equal to `from`, except for the files in `ours`, which have edits.
///
/// A file that differs is copied and gets the current time, because make compares times, and a change back to older contents is
/// a change too.
pub fn sync(from: &Path, to: &Path, ours: &BTreeSet<PathBuf>) -> Result<()> {
    let mut seen = BTreeSet::new();
    for entry in walkdir::WalkDir::new(from).min_depth(1) {
        check_interrupt()?;
        let entry = entry.context(ErrorKind::Host, || format!("reading {}", from.display()))?;
        let relative = entry.path().strip_prefix(from).expect("below the root of the walk").to_path_buf();
        let target = to.join(&relative);
        if entry.file_type().is_dir() {
            directory(&target)?;
        } else if !ours.contains(&relative) && !same(entry.path(), &target) {
            copy(entry.path(), &target)?;
        }
        seen.insert(relative);
    }
    sweep(to, &|path| seen.contains(path) || ours.contains(path)).map(drop)
}

/// Creates a directory; a file of that name is removed.
pub fn directory(path: &Path) -> Result<()> {
    match path.symlink_metadata() {
        Ok(meta) if meta.is_dir() => return Ok(()),
        Ok(_) => fs::remove_file(path).map_err(|error| io(&error, "removing", path))?,
        Err(_) => {}
    }
    fs::create_dir_all(path).map_err(|error| io(&error, "creating", path))
}

/// Removes the files that are not `wanted`, and directories that become empty. Returns the files.
pub fn sweep(tree: &Path, wanted: &dyn Fn(&Path) -> bool) -> Result<Vec<PathBuf>> {
    let mut removed = Vec::new();
    for entry in walkdir::WalkDir::new(tree).min_depth(1).contents_first(true).into_iter().filter_map(Result::ok) {
        let relative = entry.path().strip_prefix(tree).expect("below the root of the walk");
        if wanted(relative) {
            continue;
        }
        if !entry.file_type().is_dir() {
            fs::remove_file(entry.path()).map_err(|error| io(&error, "removing", entry.path()))?;
            removed.push(relative.to_path_buf());
        } else {
            // Fails if it is not empty.
            let _ = fs::remove_dir(entry.path());
        }
    }
    Ok(removed)
}

/// Whether two paths are the same file or have the same contents.
fn same(from: &Path, to: &Path) -> bool {
    let (Ok(a), Ok(b)) = (from.symlink_metadata(), to.symlink_metadata()) else { return false };
    (a.dev(), a.ino()) == (b.dev(), b.ino()) || same_contents(from, to)
}

/// Whether two files or links have the same contents, and both or neither are executable.
pub fn same_contents(from: &Path, to: &Path) -> bool {
    let (Ok(a), Ok(b)) = (from.symlink_metadata(), to.symlink_metadata()) else { return false };
    if a.is_symlink() || b.is_symlink() {
        return a.is_symlink() && b.is_symlink() && fs::read_link(from).ok() == fs::read_link(to).ok();
    }
    let executable = |meta: &fs::Metadata| meta.mode() & 0o100 != 0;
    a.is_file()
        && b.is_file()
        && a.len() == b.len()
        && executable(&a) == executable(&b)
        && matches!((fs::read(from), fs::read(to)), (Ok(from), Ok(to)) if from == to)
}

/// Copies a file or link to a new file or link.
pub fn copy(from: &Path, to: &Path) -> Result<()> {
    match to.symlink_metadata() {
        Ok(meta) if meta.is_dir() => fs::remove_dir_all(to).map_err(|error| io(&error, "removing", to))?,
        // It may be a hard link to the pristine source: never write into it.
        Ok(_) => fs::remove_file(to).map_err(|error| io(&error, "removing", to))?,
        Err(_) => {}
    }
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent).map_err(|error| io(&error, "creating", parent))?;
    }
    if from.is_symlink() {
        let target = fs::read_link(from).map_err(|error| io(&error, "reading", from))?;
        return std::os::unix::fs::symlink(target, to).map_err(|error| io(&error, "linking", to));
    }
    fs::copy(from, to).map(drop).map_err(|error| io(&error, "copying", from))
}
