//! `cargo xtask test --watch`: runs again when the kernel tree or the series has changed.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use harness::error::{Error, ErrorKind, Result};
use harness::exit_code::ExitCode;
use harness::host::process::check_interrupt;
use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher};

use crate::flags::{KernelArgs, TestArgs};
use crate::workspace;

/// How long nothing has to change before a run begins: an editor writes a file in several steps, git writes many files.
const QUIET: Duration = Duration::from_millis(100);
/// How often to look for Ctrl-C while waiting.
const LOOK: Duration = Duration::from_millis(200);

/// Runs the cases now and after every change, until it is interrupted.
///
/// # Errors
/// When there is nothing to watch, and when it is interrupted. An error of a run is printed, unless it is
/// about the command line, and the next change is waited for.
pub fn run(args: &TestArgs, quiet: bool) -> Result<ExitCode> {
    let places = places(&args.kernel);
    // Before the first run: what changes while it runs is the reason for the second.
    let changes = Changes::of(&places)?;
    let names = places.iter().map(|place| place.display().to_string()).collect::<Vec<_>>().join(" and ");
    loop {
        if let Err(error) = super::once(args, quiet) {
            check_interrupt()?;
            if error.kind == ErrorKind::Usage {
                return Err(error);
            }
            eprintln!("{error}");
        }
        eprintln!("\nwaiting for a change in {names}; press Ctrl-C to end");
        let changed = changes.next()?;
        eprintln!("{} has changed\n", changed.display());
    }
}

/// The files and directories of this machine that a run is made of.
fn places(args: &KernelArgs) -> Vec<PathBuf> {
    let series = args.series();
    let named = workspace::patches().join(series);
    // `#v2` after a path chooses a version.
    let path = PathBuf::from(series.split('#').next().unwrap_or_default());
    let series = if !series.contains('/') && named.is_dir() { named } else { path };
    let places = args.kernel_tree.iter().cloned().chain([series]).chain(args.extra.iter().cloned());
    places.filter(|place| place.exists()).collect()
}

/// The changes of some places.
struct Changes {
    events: Receiver<PathBuf>,
    _watcher: RecommendedWatcher,
}

impl Changes {
    fn of(places: &[PathBuf]) -> Result<Self> {
        if places.is_empty() {
            return Err(Error::new(
                ErrorKind::Usage,
                "--watch has nothing to watch: this kernel and series are no files",
            )
            .next("Give --kernel-tree DIR, or a series that is a file or a directory."));
        }
        let cannot = |error: notify::Error| {
            Error::new(ErrorKind::Host, format!("cannot watch for changes: {error}"))
                .next("A limit can be the reason: see fs.inotify.max_user_watches in `man 7 inotify`.")
        };
        let places = places.iter().map(std::path::absolute).collect::<std::io::Result<Vec<_>>>();
        let places = places.map_err(|error| cannot(notify::Error::io(error)))?;
        let watched: Vec<(PathBuf, RecursiveMode)> = places
            .iter()
            // Editors replace a file by another one, so its directory is watched.
            .map(|place| match place.parent() {
                Some(parent) if place.is_file() => (parent.to_path_buf(), RecursiveMode::NonRecursive),
                _ => (place.clone(), RecursiveMode::Recursive),
            })
            .collect();
        let (sender, events) = channel();
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            let Ok(event) = event else { return };
            if event.kind.is_access() {
                return;
            }
            // Nobody listens any more when the command ends.
            event.paths.into_iter().filter(|path| matters(path, &places)).for_each(|path| drop(sender.send(path)));
        })
        .map_err(cannot)?;
        for (place, mode) in watched {
            watcher.watch(&place, mode).map_err(cannot)?;
        }
        Ok(Changes { events, _watcher: watcher })
    }

    /// Waits for the next change, and until nothing changes any more.
    ///
    /// # Errors
    /// When it is interrupted.
    fn next(&self) -> Result<PathBuf> {
        let first = loop {
            check_interrupt()?;
            match self.events.recv_timeout(LOOK) {
                Ok(path) => break path,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(Error::new(ErrorKind::Internal, "the watch for changes has ended"));
                }
            }
        };
        while self.events.recv_timeout(QUIET).is_ok() {
            check_interrupt()?;
        }
        Ok(first)
    }
}

/// Whether a file is part of one of the places: not what git, editors and compilers write beside the sources.
fn matters(path: &Path, places: &[PathBuf]) -> bool {
    let Some(inside) = places.iter().find_map(|place| path.strip_prefix(place).ok()) else { return false };
    let hidden = inside.components().any(|part| part.as_os_str().as_encoded_bytes().starts_with(b"."));
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let built = path.extension().is_some_and(|extension| extension == "o" || extension == "a" || extension == "ko");
    !hidden && !built && !name.ends_with('~') && name != "4913"
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_change_is_seen_and_what_editors_and_git_write_is_not() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("tree/.git")).unwrap();
        let tree = dir.path().join("tree");
        let series = dir.path().join("my.patch");
        for file in ["tree/a.c", "my.patch"] {
            fs::write(dir.path().join(file), "old").unwrap();
        }
        let changes = Changes::of(&[tree.clone(), series.clone()]).unwrap();
        for other in ["tree/.git/index", "tree/.a.c.swp", "tree/a.c~", "tree/a.o", "other.patch"] {
            fs::write(dir.path().join(other), "noise").unwrap();
        }
        fs::write(tree.join("a.c"), "new").unwrap();
        assert_eq!(changes.next().unwrap(), tree.join("a.c"));
        // A file that replaces the watched one, as editors write it.
        fs::write(dir.path().join("other~"), "new").unwrap();
        fs::rename(dir.path().join("other~"), &series).unwrap();
        assert_eq!(changes.next().unwrap(), series);
        assert_eq!(Changes::of(&[]).err().map(|error| error.kind), Some(ErrorKind::Usage));
    }
}
