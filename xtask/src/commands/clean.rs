//! `cargo xtask clean`: frees disk space. Entries that another process builds or uses are kept.

use std::collections::HashSet;
use std::path::Path;

use clap::ValueEnum;
use harness::error::Result;
use harness::exit_code::ExitCode;
use harness::host::disk::used;
use harness::host::progress::{Mode, Progress, bytes};
use harness::host::store::{Store, lock::StoreLock};
use harness::kbuild::{build_dir::BUILD_DIRS, image};
use harness::source;

use crate::flags::{Clean, CleanArgs};
use crate::run::run_directory;
use crate::settings;
use crate::workspace;

/// What was removed of one kind.
#[derive(Debug, Default, PartialEq, Eq)]
struct Removed {
    /// Removed entries.
    count: usize,
    /// Their size on disk.
    bytes: u64,
    /// Entries that are in use and were kept.
    in_use: usize,
}

/// Removes what the arguments name, or with --dry-run only counts it.
///
/// # Errors
/// [`harness::error::ErrorKind::Host`] when something cannot be removed.
pub fn run(args: &CleanArgs, quiet: bool) -> Result<ExitCode> {
    let store = Store::open(settings::cache().as_deref())?.announcing(&Progress::new(if quiet {
        Mode::Quiet
    } else {
        Mode::Auto
    }));
    let cleaner = Cleaner { store: &store, dry: args.dry_run };
    let mut total = 0;
    for what in if args.what.is_empty() { Clean::value_variants() } else { &args.what } {
        let removed = match what {
            Clean::Images => cleaner.images()?,
            Clean::BuildDirs => cleaner.build_dirs()?,
            Clean::Sources => cleaner.sources()?,
            Clean::Runs => cleaner.runs(&workspace::runs())?,
        };
        total += removed.bytes;
        let name = what.to_possible_value().expect("none is hidden");
        println!("{}", line(name.get_name(), &removed));
    }
    let did = if args.dry_run { "would be freed; nothing was removed" } else { "freed" };
    println!("{:<10} {:>5} {:>10}  {did}", "", "", bytes(total));
    Ok(ExitCode::AsExpected)
}

fn line(name: &str, removed: &Removed) -> String {
    let in_use = if removed.in_use > 0 { format!("  {} in use, kept", removed.in_use) } else { String::new() };
    format!("{name:<10} {:>5} {:>10}{in_use}", removed.count, bytes(removed.bytes))
}

struct Cleaner<'a> {
    store: &'a Store,
    /// Only count.
    dry: bool,
}

impl Cleaner<'_> {
    /// A guest holds a shared lock on the image that it boots.
    fn images(&self) -> Result<Removed> {
        self.entries(image::KIND, |key| self.store.try_lock_entry(image::KIND, key))
    }

    /// A build holds the lock of its build directory.
    fn build_dirs(&self) -> Result<Removed> {
        self.entries(BUILD_DIRS, |key| self.store.try_lock(&format!("workshop-{key}")))
    }

    /// Sources are read without a lock while a build directory is filled, so they are kept while any build runs.
    fn sources(&self) -> Result<Removed> {
        let build_dirs = self.store.keys(BUILD_DIRS);
        let locks: Vec<Option<StoreLock>> =
            build_dirs.iter().map(|key| self.store.try_lock(&format!("workshop-{key}"))).collect();
        let idle = locks.iter().all(Option::is_some);
        // A dry run releases the locks, so that builds need not wait for it.
        let _held = (!self.dry).then_some(locks);
        self.entries(source::KIND, |key| self.store.try_lock_entry(source::KIND, key).filter(|_| idle))
    }

    fn entries(&self, kind: &str, lock: impl Fn(&str) -> Option<StoreLock>) -> Result<Removed> {
        let mut removed = Removed::default();
        // Removing a hard-linked file frees space only with its last name; it is counted once.
        let mut seen = HashSet::new();
        for key in self.store.keys(kind) {
            let Some(dir) = self.store.entry(kind, &key) else { continue };
            let Some(lock) = lock(&key) else {
                removed.in_use += 1;
                continue;
            };
            removed.count += 1;
            removed.bytes += used(&dir, &mut seen);
            if !self.dry {
                self.store.remove_locked(kind, &key, &lock)?;
            }
        }
        Ok(removed)
    }

    fn runs(&self, runs: &Path) -> Result<Removed> {
        let cleared = run_directory::clear(runs, self.dry, self.store.progress())?;
        Ok(Removed { count: cleared.removed, bytes: cleared.bytes, in_use: cleared.in_use })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use harness::error::io;

    use super::*;

    fn entry(store: &Store, kind: &str, key: &str) {
        let made = store.publish(kind, key, |dir| {
            fs::write(dir.join("vmlinux"), vec![1; 100_000]).map_err(|error| io(&error, "writing", dir))
        });
        made.unwrap();
    }

    #[test]
    fn locked_entries_are_kept_and_a_dry_run_removes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(Some(dir.path())).unwrap();
        entry(&store, image::KIND, "idle");
        entry(&store, image::KIND, "booted");
        let held = store.hold(image::KIND, "booted").unwrap();
        let removed = Cleaner { store: &store, dry: true }.images().unwrap();
        assert_eq!((removed.count, removed.in_use), (1, 1));
        assert!(removed.bytes >= 100_000, "{removed:?}");
        assert_eq!(store.keys(image::KIND), ["booted", "idle"]);
        assert_eq!(Cleaner { store: &store, dry: false }.images().unwrap(), removed);
        assert_eq!(store.keys(image::KIND), ["booted"]);
        drop(held);
        assert_eq!(Cleaner { store: &store, dry: false }.images().unwrap().in_use, 0);
        assert_eq!(store.keys(image::KIND), [""; 0]);
    }

    #[test]
    fn a_build_directory_in_use_is_kept_and_so_are_all_sources() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(Some(dir.path())).unwrap();
        entry(&store, source::KIND, "7.2");
        for key in ["7.2-fast", "7.2-leak"] {
            fs::write(store.directory("workshops", key).unwrap().join("object"), "x").unwrap();
        }
        let cleaner = Cleaner { store: &store, dry: false };
        let lock = store.lock("workshop-7.2-fast").unwrap();
        assert_eq!(cleaner.sources().unwrap(), Removed { in_use: 1, ..Removed::default() });
        let removed = cleaner.build_dirs().unwrap();
        assert_eq!((removed.count, removed.in_use), (1, 1));
        assert_eq!(store.keys("workshops"), ["7.2-fast"]);
        drop(lock);
        assert_eq!(cleaner.sources().unwrap().count, 1);
        assert_eq!(store.keys(source::KIND), [""; 0]);
    }

    #[test]
    fn only_run_directories_are_removed() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(Some(&dir.path().join("cache"))).unwrap();
        let runs = dir.path().join("conformance");
        for name in ["run-1", "run-2", "mutants"] {
            fs::create_dir_all(runs.join(name)).unwrap();
            fs::write(runs.join(name).join("report.json"), "x").unwrap();
        }
        let cleaner = Cleaner { store: &store, dry: false };
        let removed = cleaner.runs(&runs).unwrap();
        assert_eq!((removed.count, removed.in_use), (2, 0));
        assert!(!runs.join("run-1").exists() && runs.join("mutants/report.json").exists());
        assert_eq!(cleaner.runs(&dir.path().join("nothing")).unwrap(), Removed::default());
    }
}
