//! A copy of a tree that somebody works in.
//!
//! What is copied is found by stamps: size, times and inode of the owner's files, as they were when they were last
//! looked at. What has another stamp is compared, and written only if it says something else. So an edit of one file is
//! the only thing that make sees, a file that went back in time with `mv` or `cp -p` included, and a branch that was
//! looked at and left again changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::follow::{copy, directory, same_contents, sweep};
use crate::error::{Context, Error, ErrorKind, Result, io};
use crate::host::git::git;
use crate::host::process::{check_interrupt, scratch_directory};

/// Copies what changed in somebody's own tree, and removes what is gone from it. Files in `ours` are edited here and
/// compared elsewhere; `stamps` is where the stamps are kept.
pub fn mirror(from: &Path, to: &Path, stamps: &Path, ours: &BTreeSet<PathBuf>) -> Result<()> {
    let old = read(stamps);
    let mut new = BTreeMap::new();
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
            }
            new.insert(path, stamp);
        }
    }
    sweep(to, &|path| new.contains_key(path) || ours.contains(path))?;
    write(stamps, &new)
}

/// Identifies the state of somebody's own tree by the names, sizes and time stamps of its files: what make itself goes by.
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
    // The time of the inode's change cannot be set, so that it also tells of files that were dated back.
    let (changed, nanoseconds) = (meta.ctime(), meta.ctime_nsec());
    format!("{} {} {} {changed} {nanoseconds} {}", meta.len(), meta.mtime(), meta.mtime_nsec(), meta.ino())
}

fn read(stamps: &Path) -> BTreeMap<PathBuf, String> {
    let text = fs::read_to_string(stamps).unwrap_or_default();
    text.lines().filter_map(|line| line.split_once('\t')).map(|(stamp, path)| (path.into(), stamp.into())).collect()
}

fn write(stamps: &Path, all: &BTreeMap<PathBuf, String>) -> Result<()> {
    let mut text = String::new();
    // A path with a line break or of no text is compared each time.
    for (path, stamp) in all {
        if let Some(path) = path.to_str().filter(|path| !path.contains('\n')) {
            let _ = writeln!(text, "{stamp}\t{path}");
        }
    }
    let fresh = stamps.with_extension("new");
    fs::write(&fresh, text).map_err(|error| io(&error, "writing", &fresh))?;
    fs::rename(&fresh, stamps).map_err(|error| io(&error, "writing", stamps))
}

/// The files of somebody's own tree, in order; where it was built in, without what was built.
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

/// Which sign there is of a build inside the tree. Top Makefile of the kernel, `outputmakefile`: with one of these it
/// refuses to build elsewhere, because make would find the old products before it makes its own.
fn built_in(dir: &Path) -> Option<PathBuf> {
    let arches = fs::read_dir(dir.join("arch")).into_iter().flatten().filter_map(Result::ok);
    let generated = arches.map(|arch| Path::new("arch").join(arch.file_name()).join("include/generated"));
    let signs = [".config".into(), "include/config".into(), "include/generated".into()].into_iter().chain(generated);
    signs.into_iter().find(|sign: &PathBuf| dir.join(sign).exists())
}

/// What is not ignored by the tree's own `.gitignore` files, which name everything that a build makes. git reads them with
/// a repository of ours, so that it makes no difference whether the tree has one; what the tree's has tracked is a source
/// whatever its name.
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
    // Without a .gitignore everything is listed; that of a distribution may leave out everything.
    if !files.contains(Path::new("Makefile")) || files.contains(sign) || !dir.join(".gitignore").is_file() {
        return Err(Error::new(ErrorKind::Source, format!("{} was built in place", dir.display()))
            .cause(format!("it has {}, and no .gitignore that tells sources from what was built", sign.display()))
            .next("Clean a copy of it with `make mrproper`, or build yours with `make O=DIR`."));
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
