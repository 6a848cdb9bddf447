//! Where runs leave their recordings and reports: `run-1`, `run-2`, ... and `last`.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use harness::error::{Result, io};

use crate::workspace;

/// Runs of which the recordings are kept.
const KEPT: usize = 20;

/// A fresh directory for recordings; the oldest ones make room. `last` points to it.
///
/// # Errors
/// [`harness::error::Blame::Host`] when it cannot be created.
pub fn fresh() -> Result<PathBuf> {
    let runs = workspace::runs();
    fs::create_dir_all(&runs).map_err(|error| io(&error, "creating", &runs))?;
    let mut numbers: Vec<u64> = fs::read_dir(&runs)
        .map_err(|error| io(&error, "reading", &runs))?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.strip_prefix("run-")?.parse().ok())
        .collect();
    numbers.sort_unstable();
    for old in numbers.iter().rev().skip(KEPT - 1) {
        let _ = fs::remove_dir_all(runs.join(format!("run-{old}")));
    }
    let mut number = numbers.last().map_or(1, |last| last + 1);
    loop {
        let dir = runs.join(format!("run-{number}"));
        match fs::create_dir(&dir) {
            Ok(()) => {
                let last = runs.join("last");
                let _ = fs::remove_file(&last);
                let _ = std::os::unix::fs::symlink(format!("run-{number}"), &last);
                return Ok(dir);
            }
            // Another run of this checkout was faster.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => number += 1,
            Err(error) => return Err(io(&error, "creating", &dir)),
        }
    }
}

/// Writes a file of a run.
///
/// # Errors
/// [`harness::error::Blame::Host`] when the disk does not take it.
pub fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).map_err(|error| io(&error, "writing", path))
}
