//! Free and used disk space.

use std::collections::HashSet;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::host::progress::bytes;

/// Name of this program's directory below XDG_CACHE_HOME and the like.
pub const APPLICATION: &str = "dmabuf-alias-conformance";

/// Bytes that this user may still write below a path.
///
/// # Errors
/// When statvfs(3) fails.
pub fn free(path: &Path) -> std::io::Result<u64> {
    let stat = nix::sys::statvfs::statvfs(path)?;
    Ok(stat.blocks_available() * stat.fragment_size())
}

/// Bytes on disk below a path, without the files (device, inode) that are already in `seen`.
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
    let cache = text.find(APPLICATION).map(|start| &text[..start + APPLICATION.len()]);
    let (variable, what) = match cache {
        Some(cache) => ("XDG_CACHE_HOME", format!("Everything below {cache} can be deleted; it is created again")),
        None if path.starts_with(std::env::temp_dir()) => ("TMPDIR", "It contains only temporary files".into()),
        None if text.contains("conformance/run-") => {
            ("CARGO_TARGET_DIR", "Recordings of old runs can be deleted".into())
        }
        None => ("XDG_CACHE_HOME", "A kernel needs about 4 GB there".into()),
    };
    format!(
        "{} is full. Free some space on it, or set {variable} to a directory on a larger disk.\n{what}; `cargo xtask \
         doctor` shows the sizes of the cache.",
        file_system(path).unwrap_or_else(|| "The disk".into())
    )
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
