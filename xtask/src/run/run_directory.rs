//! Directories of runs, with recordings and reports: `run-1`, `run-2`, ... and `last`, a link to the newest.
//!
//! A program holds the lock of its run until it ends; a run whose lock is free is over. Old runs are removed when a new one is
//! created. Whoever creates or removes runs holds the lock of the parent directory.

use std::collections::HashSet;
use std::fs;
use std::io::ErrorKind;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use harness::error::{Result, io};
use harness::host::disk::used;
use harness::host::process::check_interrupt;
use harness::host::progress::{self, Progress};
use harness::host::store::lock::StoreLock;

use crate::workspace;

/// Lock file in the directory of each run, and in their parent directory.
const LOCK: &str = ".lock";
const LAST: &str = "last";
const DAY: Duration = Duration::from_secs(24 * 3600);

/// Which runs are kept when another one begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    /// The newest runs, including the new one, are always kept.
    pub runs: usize,
    /// Older runs are removed.
    pub days: u32,
    /// If all runs together are larger, the oldest are removed.
    pub bytes: u64,
}

impl Default for Keep {
    fn default() -> Self {
        Keep { runs: 10, days: 60, bytes: 2_000_000_000 }
    }
}

/// The directory of the current run.
#[derive(Debug)]
pub struct RunDirectory {
    path: PathBuf,
    /// Keeps it from being removed.
    _lock: StoreLock,
}

impl Deref for RunDirectory {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.path
    }
}

/// Creates the directory of a new run, lets `last` point to it, and removes old runs.
///
/// # Errors
/// [`harness::error::ErrorKind::Host`] when it cannot be created.
pub fn fresh(keep: Keep, progress: &Progress) -> Result<RunDirectory> {
    fresh_in(&workspace::runs(), keep, progress)
}

fn fresh_in(runs: &Path, keep: Keep, progress: &Progress) -> Result<RunDirectory> {
    fs::create_dir_all(runs).map_err(|error| io(&error, "creating", runs))?;
    let _all = lock_all(runs, progress)?;
    let mut number = numbers(runs).last().map_or(1, |last| last + 1);
    let path = loop {
        let path = place(runs, number);
        match fs::create_dir(&path) {
            Ok(()) => break path,
            // A file of that name, or a run of an older version of this program, which takes no lock.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => number += 1,
            Err(error) => return Err(io(&error, "creating", &path)),
        }
    };
    let name = path.display().to_string();
    let lock = StoreLock::take(&path.join(LOCK), &name, |text| progress.line(text), &check_interrupt)?;
    point(runs, number)?;
    for removed in prune(runs, keep, SystemTime::now()) {
        progress::detail(|| format!("removed {}, an old run", removed.display()));
    }
    progress::detail(|| format!("directory of this run: {}", path.display()));
    Ok(RunDirectory { path, _lock: lock })
}

/// The result of [`clear`].
#[derive(Debug, Default)]
pub struct RemovedRuns {
    /// Removed runs.
    pub removed: usize,
    /// Their size on disk.
    pub bytes: u64,
    /// Runs that are still in progress and were kept.
    pub in_use: usize,
}

/// Removes every run that is over, or with `dry` only counts.
///
/// # Errors
/// [`harness::error::ErrorKind::Host`] when one cannot be removed.
pub fn clear(runs: &Path, dry: bool, progress: &Progress) -> Result<RemovedRuns> {
    let mut cleared = RemovedRuns::default();
    if !runs.is_dir() {
        return Ok(cleared);
    }
    let _all = lock_all(runs, progress)?;
    let mut seen = HashSet::new();
    for path in numbers(runs).into_iter().map(|number| place(runs, number)) {
        let Some(_over) = over(&path) else {
            cleared.in_use += 1;
            continue;
        };
        cleared.removed += 1;
        cleared.bytes += used(&path, &mut seen);
        if !dry {
            fs::remove_dir_all(&path).map_err(|error| io(&error, "removing", &path))?;
        }
    }
    if !dry {
        match numbers(runs).last() {
            Some(number) => point(runs, *number)?,
            None => drop(fs::remove_file(runs.join(LAST))),
        }
    }
    Ok(cleared)
}

/// Removes runs that are not to be kept, the oldest first, and returns them. Failures are ignored, so that they do not stop
/// the new run.
fn prune(runs: &Path, keep: Keep, now: SystemTime) -> Vec<PathBuf> {
    let (mut seen, mut total) = (HashSet::new(), 0);
    let mut unwanted = Vec::new();
    for (newer, number) in numbers(runs).into_iter().rev().enumerate() {
        let path = place(runs, number);
        total += used(&path, &mut seen);
        let age = written(&path).and_then(|written| now.duration_since(written).ok()).unwrap_or_default();
        if newer >= keep.runs.max(1) && (age > DAY.saturating_mul(keep.days) || total > keep.bytes) {
            unwanted.push(path);
        }
    }
    unwanted.reverse();
    unwanted.retain(|path| over(path).is_some_and(|_over| fs::remove_dir_all(path).is_ok()));
    unwanted
}

/// The lock of a run that is over; `None` if it is still in progress.
fn over(run: &Path) -> Option<StoreLock> {
    StoreLock::try_take(&run.join(LOCK))
}

/// When the last file was added to the directory of a run, usually its report. The time of the lock file changes whenever
/// somebody takes it.
fn written(run: &Path) -> Option<SystemTime> {
    run.metadata().and_then(|meta| meta.modified()).ok()
}

fn lock_all(runs: &Path, progress: &Progress) -> Result<StoreLock> {
    let name = runs.display().to_string();
    StoreLock::take(&runs.join(LOCK), &name, |text| progress.line(text), &check_interrupt)
}

/// Lets `last` point to a run. It is replaced by a rename, so it always exists.
fn point(runs: &Path, number: u64) -> Result<()> {
    let (last, fresh) = (runs.join(LAST), runs.join(".last"));
    let _ = fs::remove_file(&fresh);
    std::os::unix::fs::symlink(format!("run-{number}"), &fresh).map_err(|error| io(&error, "creating", &fresh))?;
    fs::rename(&fresh, &last).map_err(|error| io(&error, "renaming", &last))
}

/// The numbers of all runs, the oldest first.
pub fn numbers(runs: &Path) -> Vec<u64> {
    let entries = fs::read_dir(runs).into_iter().flatten().flatten();
    let number = |name: &str| name.strip_prefix("run-")?.parse().ok();
    let mut numbers: Vec<u64> = entries.filter_map(|entry| number(entry.file_name().to_str()?)).collect();
    numbers.sort_unstable();
    numbers
}

/// The directory of a run.
pub fn place(runs: &Path, number: u64) -> PathBuf {
    runs.join(format!("run-{number}"))
}

/// Writes a file of a run.
///
/// # Errors
/// [`harness::error::ErrorKind::Host`] when it cannot be written.
pub fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).map_err(|error| io(&error, "writing", path))
}

#[cfg(test)]
mod tests {
    use harness::host::progress::Mode;

    use super::*;

    const ALL: Keep = Keep { runs: 1, days: 1000, bytes: u64::MAX };

    fn quiet() -> Progress {
        Progress::new(Mode::Quiet)
    }

    /// Finished runs of at least 100 kB each, written this many days ago.
    fn runs(days: &[u64]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (index, days) in days.iter().enumerate() {
            let run = fresh_in(dir.path(), ALL, &quiet()).unwrap();
            assert!(run.ends_with(format!("run-{}", index + 1)));
            fs::write(run.join("console.log"), vec![1; 100_000]).unwrap();
            let then = SystemTime::now() - DAY * u32::try_from(*days).unwrap();
            fs::File::open(&*run).unwrap().set_modified(then).unwrap();
        }
        dir
    }

    /// The runs that exist after another one was created.
    fn kept(dir: &tempfile::TempDir, keep: Keep) -> Vec<u64> {
        drop(fresh_in(dir.path(), keep, &quiet()).unwrap());
        numbers(dir.path())
    }

    #[test]
    fn old_runs_are_removed_but_not_the_newest() {
        let days = [90, 80, 70, 5, 4];
        assert_eq!(kept(&runs(&days), Keep { days: 60, ..ALL }), [4, 5, 6]);
        assert_eq!(kept(&runs(&days), Keep { days: 60, runs: 4, ..ALL }), [3, 4, 5, 6]);
        assert_eq!(kept(&runs(&days), Keep { days: 0, runs: 0, ..ALL }), [6]);
    }

    #[test]
    fn runs_beyond_the_size_limit_are_removed_but_not_the_newest() {
        let days = [5, 4, 3, 2];
        assert_eq!(kept(&runs(&days), Keep { bytes: 250_000, ..ALL }), [3, 4, 5]);
        assert_eq!(kept(&runs(&days), Keep { bytes: 0, runs: 3, ..ALL }), [3, 4, 5]);
        assert_eq!(kept(&runs(&days), ALL), [1, 2, 3, 4, 5]);
    }

    #[test]
    fn a_run_in_progress_is_never_removed() {
        let dir = runs(&[]);
        let nothing = Keep { runs: 0, days: 0, bytes: 0 };
        let in_progress = fresh_in(dir.path(), nothing, &quiet()).unwrap();
        assert_eq!(kept(&dir, nothing), [1, 2]);
        assert_eq!(kept(&dir, nothing), [1, 3]);
        let cleared = clear(dir.path(), false, &quiet()).unwrap();
        assert_eq!((cleared.removed, cleared.in_use, numbers(dir.path())), (1, 1, vec![1]));
        assert_eq!(fs::read_link(dir.path().join(LAST)).unwrap(), Path::new("run-1"), "it points to an existing run");
        drop(in_progress);
        assert_eq!(clear(dir.path(), true, &quiet()).unwrap().removed, 1);
        assert_eq!(numbers(dir.path()), [1], "it only counted");
        assert_eq!(clear(dir.path(), false, &quiet()).unwrap().removed, 1);
        assert!(!dir.path().join(LAST).is_symlink());
    }

    #[test]
    fn last_is_the_newest_and_never_absent() {
        let dir = runs(&[3, 2]);
        assert_eq!(fs::read_link(dir.path().join(LAST)).unwrap(), Path::new("run-2"));
        kept(&dir, Keep { runs: 0, days: 0, bytes: 0 });
        assert!(dir.path().join(LAST).join(LOCK).exists());
    }

    #[test]
    fn concurrent_runs_have_separate_directories() {
        let dir = tempfile::tempdir().unwrap();
        let made: Vec<PathBuf> = std::thread::scope(|scope| {
            let start = || fresh_in(dir.path(), Keep { runs: 0, days: 0, bytes: 0 }, &quiet()).unwrap();
            let runs: Vec<_> = (0..8).map(|_| scope.spawn(start)).collect();
            let runs: Vec<RunDirectory> = runs.into_iter().map(|run| run.join().unwrap()).collect();
            assert!(runs.iter().all(|run| run.is_dir()), "a run in progress was removed");
            runs.iter().map(|run| run.to_path_buf()).collect()
        });
        let unique: HashSet<&PathBuf> = made.iter().collect();
        assert_eq!(unique.len(), 8);
    }
}
