//! How full the disk is, and with what.

use std::collections::HashSet;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::error::{Result, io};

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
