//! Where runs leave their recordings and reports: `run-1`, `run-2`, ... and `last`, which is the newest of them.
//!
//! Who writes into one holds its lock until the program ends; one whose lock is free is over, however it ended. Old ones go
//! when a new one is made. All that makes or removes them holds the lock of the place meanwhile.

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

/// The lock of a run, in its directory, and that of all of them, beside them.
const LOCK: &str = ".lock";
const LAST: &str = "last";
const DAY: Duration = Duration::from_secs(24 * 3600);

/// Which runs stay when another one begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    /// So many of the newest, whatever the other two say; the new one is one of them.
    pub runs: usize,
    /// Those that were written within so many days...
    pub days: u32,
    /// ... as long as all together take no more than so many bytes on the disk.
    pub bytes: u64,
}

impl Default for Keep {
    fn default() -> Self {
        Keep { runs: 10, days: 60, bytes: 2_000_000_000 }
    }
}

/// The directory of a run that is going on.
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

/// A fresh directory; old ones make room. `last` leads to it.
///
/// # Errors
/// [`harness::error::ErrorKind::Host`] when it cannot be created.
pub fn fresh(keep: Keep, progress: &Progress) -> Result<RunDirectory> {
    fresh_in(&workspace::runs(), keep, progress)
}

fn fresh_in(runs: &Path, keep: Keep, progress: &Progress) -> Result<RunDirectory> {
    fs::create_dir_all(runs).map_err(|error| io(&error, "creating", runs))?;
    let _all = all(runs, progress)?;
    let mut number = numbers(runs).last().map_or(1, |last| last + 1);
    let path = loop {
        let path = place(runs, number);
        match fs::create_dir(&path) {
            Ok(()) => break path,
            // A file of that name, or a run of an older version of this program, which knows no lock.
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
    progress::detail(|| format!("this run: {}", path.display()));
    Ok(RunDirectory { path, _lock: lock })
}

/// What became of the runs that were to be removed.
#[derive(Debug, Default)]
pub struct Cleared {
    /// Runs that went.
    pub gone: usize,
    /// Bytes on disk of these.
    pub bytes: u64,
    /// Runs that are going on, and stay.
    pub in_use: usize,
}

/// Removes every run that is over, or with `dry` only counts.
///
/// # Errors
/// [`harness::error::ErrorKind::Host`] when one cannot be removed.
pub fn clear(runs: &Path, dry: bool, progress: &Progress) -> Result<Cleared> {
    let mut cleared = Cleared::default();
    if !runs.is_dir() {
        return Ok(cleared);
    }
    let _all = all(runs, progress)?;
    let mut seen = HashSet::new();
    for path in numbers(runs).into_iter().map(|number| place(runs, number)) {
        let Some(_over) = over(&path) else {
            cleared.in_use += 1;
            continue;
        };
        cleared.gone += 1;
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

/// Removes what is not to be kept, the oldest first, and gives back what went. What cannot be removed stays: the run that
/// begins has not to fail because of it.
fn prune(runs: &Path, keep: Keep, now: SystemTime) -> Vec<PathBuf> {
    let (mut seen, mut taken) = (HashSet::new(), 0);
    let mut unwanted = Vec::new();
    for (newer, number) in numbers(runs).into_iter().rev().enumerate() {
        let path = place(runs, number);
        taken += used(&path, &mut seen);
        let age = written(&path).and_then(|written| now.duration_since(written).ok()).unwrap_or_default();
        if newer >= keep.runs.max(1) && (age > DAY.saturating_mul(keep.days) || taken > keep.bytes) {
            unwanted.push(path);
        }
    }
    unwanted.reverse();
    unwanted.retain(|path| over(path).is_some_and(|_over| fs::remove_dir_all(path).is_ok()));
    unwanted
}

/// The lock of a run that is over.
fn over(run: &Path) -> Option<StoreLock> {
    StoreLock::try_take(&run.join(LOCK))
}

/// When the last file was put into the directory of a run: its report, if it came to one. That of the lock would not do,
/// looking at it changes it.
fn written(run: &Path) -> Option<SystemTime> {
    run.metadata().and_then(|meta| meta.modified()).ok()
}

fn all(runs: &Path, progress: &Progress) -> Result<StoreLock> {
    let name = runs.display().to_string();
    StoreLock::take(&runs.join(LOCK), &name, |text| progress.line(text), &check_interrupt)
}

/// Lets `last` lead to a run. At no time is there none.
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

/// Where the run of a number is.
pub fn place(runs: &Path, number: u64) -> PathBuf {
    runs.join(format!("run-{number}"))
}

/// Writes a file of a run.
///
/// # Errors
/// [`harness::error::ErrorKind::Host`] when the disk does not take it.
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

    /// Runs that are over, of at least 100 kB each, that were written so many days ago.
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

    /// The runs that are there when another one was made.
    fn kept(dir: &tempfile::TempDir, keep: Keep) -> Vec<u64> {
        drop(fresh_in(dir.path(), keep, &quiet()).unwrap());
        numbers(dir.path())
    }

    #[test]
    fn what_is_old_goes_but_not_the_newest() {
        let days = [90, 80, 70, 5, 4];
        assert_eq!(kept(&runs(&days), Keep { days: 60, ..ALL }), [4, 5, 6]);
        assert_eq!(kept(&runs(&days), Keep { days: 60, runs: 4, ..ALL }), [3, 4, 5, 6]);
        assert_eq!(kept(&runs(&days), Keep { days: 0, runs: 0, ..ALL }), [6]);
    }

    #[test]
    fn what_there_is_no_room_for_goes_but_not_the_newest() {
        let days = [5, 4, 3, 2];
        assert_eq!(kept(&runs(&days), Keep { bytes: 250_000, ..ALL }), [3, 4, 5]);
        assert_eq!(kept(&runs(&days), Keep { bytes: 0, runs: 3, ..ALL }), [3, 4, 5]);
        assert_eq!(kept(&runs(&days), ALL), [1, 2, 3, 4, 5]);
    }

    #[test]
    fn a_run_that_is_going_on_stays_whatever_is_to_be_kept() {
        let dir = runs(&[]);
        let nothing = Keep { runs: 0, days: 0, bytes: 0 };
        let going_on = fresh_in(dir.path(), nothing, &quiet()).unwrap();
        assert_eq!(kept(&dir, nothing), [1, 2]);
        assert_eq!(kept(&dir, nothing), [1, 3]);
        let cleared = clear(dir.path(), false, &quiet()).unwrap();
        assert_eq!((cleared.gone, cleared.in_use, numbers(dir.path())), (1, 1, vec![1]));
        assert_eq!(fs::read_link(dir.path().join(LAST)).unwrap(), Path::new("run-1"), "it leads to one that is there");
        drop(going_on);
        assert_eq!(clear(dir.path(), true, &quiet()).unwrap().gone, 1);
        assert_eq!(numbers(dir.path()), [1], "it only counted");
        assert_eq!(clear(dir.path(), false, &quiet()).unwrap().gone, 1);
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
    fn runs_at_the_same_time_have_a_directory_each() {
        let dir = tempfile::tempdir().unwrap();
        let made: Vec<PathBuf> = std::thread::scope(|scope| {
            let start = || fresh_in(dir.path(), Keep { runs: 0, days: 0, bytes: 0 }, &quiet()).unwrap();
            let runs: Vec<_> = (0..8).map(|_| scope.spawn(start)).collect();
            let runs: Vec<RunDirectory> = runs.into_iter().map(|run| run.join().unwrap()).collect();
            assert!(runs.iter().all(|run| run.is_dir()), "one that is going on was removed");
            runs.iter().map(|run| run.to_path_buf()).collect()
        });
        let unique: HashSet<&PathBuf> = made.iter().collect();
        assert_eq!(unique.len(), 8);
    }
}
