//! How full the disk is, and with what.

use std::collections::HashSet;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result, io};
use crate::host::progress::bytes;

/// Bytes that this user may still write below a path.
///
/// # Errors
/// [`Blame::Host`] when the file system does not say.
pub fn free(path: &Path) -> Result<u64> {
    let stat =
        nix::sys::statvfs::statvfs(path).map_err(|error| io(&error.into(), "asking for the free space of", path))?;
    Ok(stat.blocks_available() * stat.fragment_size())
}

/// Bytes on disk below a path; files that `seen` knows by device and inode count nothing.
pub fn used(path: &Path, seen: &mut HashSet<(u64, u64)>) -> u64 {
    let entries = walkdir::WalkDir::new(path).into_iter().flatten();
    let metas = entries.filter_map(|entry| entry.metadata().ok());
    metas
        .filter(|meta| meta.nlink() == 1 || seen.insert((meta.dev(), meta.ino())))
        .map(|meta| meta.blocks() * 512)
        .sum()
}

/// What to do when the disk of a path is full: which file system that is, what may be deleted, where else to go.
pub fn advice(path: &Path) -> String {
    let text = path.to_string_lossy();
    let cache = text.find(super::APPLICATION).map(|start| &text[..start + super::APPLICATION.len()]);
    let (variable, what) = match cache {
        Some(cache) => ("XDG_CACHE_HOME", format!("Everything below {cache} may be deleted and is made again")),
        None if path.starts_with(std::env::temp_dir()) => ("TMPDIR", "It holds temporary files only".into()),
        None if text.contains("conformance/run-") => ("CARGO_TARGET_DIR", "Recordings of old runs may go".into()),
        None => ("XDG_CACHE_HOME", "A kernel needs about 4 GB there".into()),
    };
    format!(
        "{} is full. Free some space on it, or set {variable} to a directory on a larger disk.\n{what}; `cargo xtask \
         doctor` shows the sizes of the cache.",
        file_system(path).unwrap_or_else(|| "The disk".into())
    )
}

/// With less than this many bytes a disk counts as full.
const FULL: u64 = 500_000;

/// The error of a program that failed because a disk is full: it says so, or what it says is vague (a shell that cannot
/// write calls it an I/O error) and the disk is. `place` is where it was writing.
pub fn full_disk(output: &str, doing: &str, place: &Path) -> Option<Error> {
    let said = |line: &&str| line.contains("No space left on device") || line.contains("Disk quota exceeded");
    let line = match output.lines().find(said) {
        Some(line) => line,
        None if free(place).is_ok_and(|free| free < FULL) => output.lines().last().unwrap_or_default(),
        None => return None,
    };
    let temporary = std::env::temp_dir();
    // A compiler's temporary files are elsewhere, and then it says so.
    let elsewhere = !place.starts_with(&temporary) && line.contains(&*temporary.to_string_lossy());
    let place = if elsewhere { &temporary } else { place };
    Some(io(&ErrorKind::StorageFull.into(), doing, place).cause(line.trim()))
}

/// Where the file system of a path is mounted, and how much of it is left.
fn file_system(path: &Path) -> Option<String> {
    let path = std::path::absolute(path).ok()?;
    let there = path.ancestors().find(|path| path.exists())?;
    let device = |path: &Path| path.metadata().map(|meta| meta.dev()).ok();
    let top: PathBuf = there.ancestors().take_while(|path| device(path) == device(there)).last()?.into();
    let stat = nix::sys::statvfs::statvfs(&top).ok()?;
    let size = |blocks: u64| bytes(blocks * stat.fragment_size());
    let (free, total) = (size(stat.blocks_available()), size(stat.blocks()));
    Some(format!("The file system {} ({free} of {total} free)", top.display()))
}
