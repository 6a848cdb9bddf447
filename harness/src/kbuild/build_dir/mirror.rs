//! Copies the user's own tree into a build directory.
//!
//! The stamp of a file is its size, times and inode at the last copy. If the stamp has changed, the contents are compared, and
//! the file is written only if they differ. So make sees exactly the changed files, even a file that `mv` or `cp -p` put back
//! with an old date; a checkout of another branch and back changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::sync::{copy, directory, same_contents, sweep};
use crate::error::{Context, Error, ErrorKind, Result, io};
use crate::host::git::git;
use crate::host::process::{check_interrupt, scratch_directory};

/// Copies what has changed in the user's tree, and removes what was deleted there. Skips the files in `ours`, which have edits;
/// `stamps` is the file of the stamps. Returns the files that were written or removed.
pub fn mirror(from: &Path, to: &Path, stamps: &Path, ours: &BTreeSet<PathBuf>) -> Result<Vec<PathBuf>> {
    let old = read(stamps);
    let mut new = BTreeMap::new();
    let mut changed = Vec::new();
    directory(to)?;
    for path in files(from)? {
        check_interrupt()?;
        let (source, target) = (from.join(&path), to.join(&path));
        let meta = source.symlink_metadata().map_err(|error| unreadable(&error, &source))?;
        let stamp = stamp(&meta);
        if !ours.contains(&path) {
            if (old.get(&path) != Some(&stamp) || target.symlink_metadata().is_err())
                && !same_contents(&source, &target)
            {
                copy(&source, &target)?;
                changed.push(path.clone());
            }
            new.insert(path, stamp);
        }
    }
    changed.extend(sweep(to, &|path| new.contains_key(path) || ours.contains(path))?);
    write(stamps, &new)?;
    Ok(changed)
}

/// Identifies the state of the user's tree by the names, sizes and times of its files.
///
/// # Errors
/// [`ErrorKind::Source`] when the tree cannot be read.
pub fn fingerprint(dir: &Path) -> Result<String> {
    let mut hash = Sha256::new();
    for path in files(dir)? {
        check_interrupt()?;
        let file = dir.join(&path);
        let meta = file.symlink_metadata().map_err(|error| unreadable(&error, &file))?;
        hash.update(file.as_os_str().as_bytes());
        hash.update([0]);
        hash.update(stamp(&meta));
        hash.update([0]);
    }
    Ok(format!("{:x}", hash.finalize()))
}

fn stamp(meta: &fs::Metadata) -> String {
    // ctime cannot be set, so it also shows files with an old date.
    let (changed, nanoseconds) = (meta.ctime(), meta.ctime_nsec());
    format!("{} {} {} {changed} {nanoseconds} {}", meta.len(), meta.mtime(), meta.mtime_nsec(), meta.ino())
}

fn read(stamps: &Path) -> BTreeMap<PathBuf, String> {
    let text = fs::read_to_string(stamps).unwrap_or_default();
    text.lines().filter_map(|line| line.split_once('\t')).map(|(stamp, path)| (path.into(), stamp.into())).collect()
}

fn write(stamps: &Path, all: &BTreeMap<PathBuf, String>) -> Result<()> {
    let mut text = String::new();
    // Paths that are not UTF-8 or contain a line break have no stamp and are compared each time.
    for (path, stamp) in all {
        if let Some(path) = path.to_str().filter(|path| !path.contains('\n')) {
            let _ = writeln!(text, "{stamp}\t{path}");
        }
    }
    let fresh = stamps.with_extension("new");
    fs::write(&fresh, text).map_err(|error| io(&error, "writing", &fresh))?;
    fs::rename(&fresh, stamps).map_err(|error| io(&error, "writing", stamps))
}

/// The files of the user's tree, sorted; if it was built in, without the build products.
fn files(dir: &Path) -> Result<Vec<PathBuf>> {
    match built_in(dir) {
        None => walked(dir),
        Some(sign) => sources(dir, &sign),
    }
}

fn walked(dir: &Path) -> Result<Vec<PathBuf>> {
    let skip = |entry: &walkdir::DirEntry| entry.file_name() != ".git";
    let mut files = Vec::new();
    for entry in walkdir::WalkDir::new(dir).sort_by_file_name().into_iter().filter_entry(skip) {
        check_interrupt()?;
        let entry = entry.context(ErrorKind::Source, || format!("reading {}", dir.display()))?;
        if !entry.file_type().is_dir() {
            files.push(entry.path().strip_prefix(dir).expect("below the root of the walk").to_path_buf());
        }
    }
    Ok(files)
}

/// A file that shows that the tree was built in. If one of these exists, the kernel's Makefile (`outputmakefile`) refuses to
/// build with O=, because make would find the old products.
fn built_in(dir: &Path) -> Option<PathBuf> {
    let arches = fs::read_dir(dir.join("arch")).into_iter().flatten().filter_map(Result::ok);
    let generated = arches.map(|arch| Path::new("arch").join(arch.file_name()).join("include/generated"));
    let signs = [".config".into(), "include/config".into(), "include/generated".into()].into_iter().chain(generated);
    signs.into_iter().find(|sign: &PathBuf| dir.join(sign).exists())
}

/// The files that the tree's `.gitignore` files do not ignore; these name everything that a build creates. git reads them with an
/// empty repository of ours, because the tree may have none. If it has one, its tracked files are sources too.
fn sources(dir: &Path, sign: &Path) -> Result<Vec<PathBuf>> {
    let scratch = scratch_directory()?;
    let empty = scratch.path().join("git");
    git()
        .args(["init", "--quiet", "--bare", "--template="])
        .path(&empty)
        .succeed(ErrorKind::Host, "git init failed")?;
    let elsewhere = git().dir(dir).env("GIT_DIR", empty.display().to_string());
    let elsewhere = elsewhere.env("GIT_WORK_TREE", dir.display().to_string());
    let list = ["-c", "core.excludesFile=/dev/null", "ls-files", "-z", "--others", "--exclude-standard"];
    let others = elsewhere.args(list).succeed(ErrorKind::Source, "git cannot list the files of the tree")?;
    let mut files: BTreeSet<PathBuf> = paths(&others);
    if dir.join(".git").exists() {
        let tracked = git().dir(dir).args(["-c", "safe.directory=*", "ls-files", "-z", "--cached"]).run()?;
        if tracked.status.success() {
            files.extend(paths(&tracked.text).into_iter().filter(|path| dir.join(path).symlink_metadata().is_ok()));
        }
    }
    // The .gitignore may be missing, or that of a distribution, which can ignore everything.
    if !files.contains(Path::new("Makefile")) || files.contains(sign) || !dir.join(".gitignore").is_file() {
        return Err(Error::new(ErrorKind::Source, format!("{} contains build products", dir.display()))
            .cause(format!("{} exists, and there is no usable .gitignore to find the sources", sign.display()))
            .next("Run `make mrproper` in a copy of it and test the copy; build your own tree with `make O=DIR`."));
    }
    Ok(files.into_iter().filter(|path| !dir.join(path).is_dir() || dir.join(path).is_symlink()).collect())
}

fn paths(text: &str) -> BTreeSet<PathBuf> {
    text.split('\0')
        .map(|path| path.trim_start_matches('\n'))
        .filter(|path| !path.is_empty())
        .map(PathBuf::from)
        .collect()
}

fn unreadable(error: &std::io::Error, path: &Path) -> Error {
    Error { kind: ErrorKind::Source, ..io(error, "reading", path) }
}
