//! Where the recordings of a session are: one numbered directory for each guest.

use std::path::{Path, PathBuf};

/// Where the recording of the guest with this number is, from 1, in the directory of its session.
pub fn directory(number: usize) -> String {
    format!("guest-{number}")
}

/// The directories of the guests of a session, by number. Numbers are missing where guests ran in vain.
pub fn directories(dir: &Path) -> Vec<PathBuf> {
    let names = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let mut found: Vec<(usize, PathBuf)> = names
        .filter_map(|entry| Some((entry.file_name().to_str()?.strip_prefix("guest-")?.parse().ok()?, entry.path())))
        .collect();
    found.sort();
    found.into_iter().map(|(_, path)| path).collect()
}
