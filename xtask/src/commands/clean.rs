//! `cargo xtask clean`: makes room. Whatever another process builds or uses stays.

use std::collections::HashSet;
use std::path::Path;

use clap::ValueEnum;
use harness::error::Result;
use harness::exit_code::ExitCode;
use harness::host::disk::used;
use harness::host::progress::{Mode, Progress, bytes};
use harness::host::store::{Store, lock::StoreLock};
use harness::kbuild::image;
use harness::source;

use crate::flags::{Clean, CleanArgs};
use crate::run::run_directory;
use crate::settings;
use crate::workspace;

/// What became of one kind.
#[derive(Debug, Default, PartialEq, Eq)]
struct Removed {
    /// Entries that went.
    count: usize,
    /// Bytes on disk of these.
    bytes: u64,
    /// Entries that are in use and stay.
    in_use: usize,
}

/// Removes what the arguments name, or only says what would go.
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
            Clean::Workshops => cleaner.workshops()?,
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
    /// Count only.
    dry: bool,
}

impl Cleaner<'_> {
    /// A guest that boots an image shares its lock.
    fn images(&self) -> Result<Removed> {
        self.entries(image::KIND, |key| self.store.try_lock_entry(image::KIND, key))
    }

    /// Who builds in a workshop holds the lock of its name.
    fn workshops(&self) -> Result<Removed> {
        self.entries("workshops", |key| self.store.try_lock(&format!("workshop-{key}")))
    }

    /// A source is read without a lock while it is copied into a workshop, so sources stay while anybody builds.
    fn sources(&self) -> Result<Removed> {
        let workshops = self.store.keys("workshops");
        let locks: Vec<Option<StoreLock>> =
            workshops.iter().map(|key| self.store.try_lock(&format!("workshop-{key}"))).collect();
        let idle = locks.iter().all(Option::is_some);
        // Who only counts keeps nobody waiting meanwhile.
        let _held = (!self.dry).then_some(locks);
        self.entries(source::KIND, |key| self.store.try_lock_entry(source::KIND, key).filter(|_| idle))
    }

    fn entries(&self, kind: &str, lock: impl Fn(&str) -> Option<StoreLock>) -> Result<Removed> {
        let mut removed = Removed::default();
        // A file with several names frees its room with the last of them; it is counted with the first.
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
        Ok(Removed { count: cleared.gone, bytes: cleared.bytes, in_use: cleared.in_use })
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
    fn what_is_locked_stays_and_a_dry_run_removes_nothing() {
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
    fn a_workshop_in_use_stays_and_so_do_all_sources() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(Some(dir.path())).unwrap();
        entry(&store, source::KIND, "7.2");
        for key in ["7.2-fast", "7.2-leak"] {
            fs::write(store.workshop("workshops", key).unwrap().join("object"), "x").unwrap();
        }
        let cleaner = Cleaner { store: &store, dry: false };
        let lock = store.lock("workshop-7.2-fast").unwrap();
        assert_eq!(cleaner.sources().unwrap(), Removed { in_use: 1, ..Removed::default() });
        let removed = cleaner.workshops().unwrap();
        assert_eq!((removed.count, removed.in_use), (1, 1));
        assert_eq!(store.keys("workshops"), ["7.2-fast"]);
        drop(lock);
        assert_eq!(cleaner.sources().unwrap().count, 1);
        assert_eq!(store.keys(source::KIND), [""; 0]);
    }

    #[test]
    fn runs_go_and_nothing_else_beside_them() {
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
