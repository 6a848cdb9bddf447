//! The cache: entries that are complete or absent, and locks for directories that change.
//!
//! An entry `<root>/<kind>/<key>` is built in a temporary directory beside it and renamed when it is complete. The builder
//! holds the lock of the entry, so a second process waits and then finds the entry. If the lock of a temporary directory
//! is free, its builder died; the directory is removed when the cache is opened the next time. A process that uses an
//! entry that others may remove shares its lock.
//!
//! A power loss may destroy the contents of files that were renamed just before. Entries with a manifest are synced to the
//! disk and can be verified. Source trees are not: syncing them takes longer than unpacking them again.

pub mod lock;
pub mod manifest;

use std::collections::HashSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind, Result, io};
use crate::host::disk::{self, APPLICATION};
use crate::host::progress::{self, Progress};
use lock::StoreLock;
use manifest::{Depth, StoreManifest};

const LOCKS: &str = "locks";
const UNFINISHED: &str = ".tmp-";

/// The cache directory.
#[derive(Clone)]
pub struct Store {
    root: PathBuf,
    progress: Progress,
}

/// The state of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// It does not exist.
    Absent,
    /// It matches its manifest.
    Sound(PathBuf),
    /// It does not match its manifest. One line for each difference.
    Damaged(Vec<String>),
}

impl Store {
    /// Opens the cache and creates it if necessary: `root`, or below `XDG_CACHE_HOME`, or below `~/.cache`.
    ///
    /// # Errors
    /// [`ErrorKind::Host`] when there is no such place or it cannot be written.
    pub fn open(root: Option<&Path>) -> Result<Store> {
        let root = match root {
            Some(root) => std::path::absolute(root).map_err(|error| unwritable(&error, root))?,
            None => default_root(|name| std::env::var_os(name).map(PathBuf::from))?,
        };
        fs::create_dir_all(root.join(LOCKS)).map_err(|error| unwritable(&error, &root))?;
        // Finds a read-only file system or another owner now, not after minutes of work. The file has no name, so it cannot
        // be left behind.
        tempfile::tempfile_in(&root).map_err(|error| unwritable(&error, &root))?;
        let store = Store { root, progress: Progress::new(crate::host::progress::Mode::Plain) };
        store.sweep("");
        Ok(store)
    }

    /// Sends messages (waiting for a lock, damaged entries) to `progress` instead of standard error.
    #[must_use]
    pub fn announcing(mut self, progress: &Progress) -> Self {
        self.progress = progress.clone();
        self
    }

    /// The directory of the whole cache.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A directory of the cache that is changed in place; created if necessary. The caller must lock it.
    ///
    /// # Errors
    /// [`ErrorKind::Host`] when it cannot be created.
    pub fn directory(&self, kind: &str, key: &str) -> Result<PathBuf> {
        let dir = self.place(kind, key);
        fs::create_dir_all(&dir).map_err(|error| io(&error, "creating", &dir))?;
        Ok(dir)
    }

    /// A complete entry, or None. Takes no lock and reads no file.
    pub fn entry(&self, kind: &str, key: &str) -> Option<PathBuf> {
        let dir = self.place(kind, key);
        dir.is_dir().then_some(dir)
    }

    /// Returns the entry; if it is absent, `build` first fills a temporary directory.
    ///
    /// # Errors
    /// Those of `build`; [`ErrorKind::Host`] when the cache cannot be written; [`ErrorKind::Interrupt`] while waiting for
    /// another process that builds the same entry. Nothing of a failed build is kept.
    pub fn publish(&self, kind: &str, key: &str, build: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
        if let Some(done) = self.entry(kind, key) {
            progress::detail(|| format!("cache: {kind}/{key} found"));
            return Ok(done);
        }
        progress::detail(|| format!("cache: {kind}/{key} missing"));
        let _lock = self.lock(&lock_name(kind, key))?;
        match self.entry(kind, key) {
            Some(done) => Ok(done),
            None => self.build(kind, key, build),
        }
    }

    /// As [`Store::publish`], with a manifest: the files are synced to the disk, and an entry that does not match its
    /// manifest is removed and built again.
    ///
    /// # Errors
    /// As [`Store::publish`].
    pub fn publish_with_manifest(
        &self,
        kind: &str,
        key: &str,
        build: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<PathBuf> {
        if let Condition::Sound(done) = self.verify(kind, key, Depth::Hashes)? {
            progress::detail(|| format!("cache: {kind}/{key} found, matches its manifest"));
            return Ok(done);
        }
        progress::detail(|| format!("cache: {kind}/{key} missing or damaged"));
        let _lock = self.lock(&lock_name(kind, key))?;
        if let Some(done) = self.sound_or_evicted(kind, key, Depth::Hashes)? {
            return Ok(done);
        }
        self.build(kind, key, |dir| {
            build(dir)?;
            StoreManifest::of(dir)?.write(dir)
        })
    }

    /// Compares an entry with its manifest.
    ///
    /// # Errors
    /// [`ErrorKind::Host`] when a file cannot be read.
    pub fn verify(&self, kind: &str, key: &str, depth: Depth) -> Result<Condition> {
        let Some(dir) = self.entry(kind, key) else { return Ok(Condition::Absent) };
        let wrong = match StoreManifest::read(&dir) {
            Ok(manifest) => manifest.differences(&dir, depth)?,
            Err(error) => vec![format!("{}: {}", manifest::FILE, error.cause)],
        };
        Ok(if wrong.is_empty() { Condition::Sound(dir) } else { Condition::Damaged(wrong) })
    }

    /// An entry that matches its manifest, or None. A damaged entry is removed, with a warning.
    ///
    /// # Errors
    /// As [`Store::verify`] and [`Store::remove`].
    pub fn sound(&self, kind: &str, key: &str, depth: Depth) -> Result<Option<PathBuf>> {
        match self.verify(kind, key, depth)? {
            Condition::Absent => Ok(None),
            Condition::Sound(dir) => Ok(Some(dir)),
            Condition::Damaged(_) => {
                let _lock = self.lock(&lock_name(kind, key))?;
                self.sound_or_evicted(kind, key, depth)
            }
        }
    }

    /// Removes an entry.
    ///
    /// # Errors
    /// [`ErrorKind::Host`] when it cannot be removed, [`ErrorKind::Interrupt`] while waiting for its lock.
    pub fn remove(&self, kind: &str, key: &str) -> Result<()> {
        let _lock = self.lock(&lock_name(kind, key))?;
        self.evict(kind, key)
    }

    /// Removes an entry unless another process builds or uses it. Returns whether it was removed.
    ///
    /// # Errors
    /// [`ErrorKind::Host`] when it cannot be removed.
    pub fn remove_unused(&self, kind: &str, key: &str) -> Result<bool> {
        match StoreLock::try_take(&self.lock_file(&lock_name(kind, key))) {
            Some(_lock) => self.evict(kind, key).map(|()| true),
            None => Ok(false),
        }
    }

    /// Protects an entry from removal until the value is dropped; None if it is absent. The lock is shared.
    ///
    /// # Errors
    /// [`ErrorKind::Interrupt`] while another process removes or builds it, [`ErrorKind::Host`] when the lock file cannot be
    /// created.
    pub fn hold(&self, kind: &str, key: &str) -> Result<Option<StoreLock>> {
        let name = lock_name(kind, key);
        let tell = |text: &str| self.progress.line(text);
        let lock = StoreLock::share(&self.lock_file(&name), &name, tell, &crate::host::process::check_interrupt)?;
        Ok(self.entry(kind, key).map(|_| lock))
    }

    /// Waits for a lock and holds it until the value is dropped.
    ///
    /// # Errors
    /// [`ErrorKind::Interrupt`] while waiting, [`ErrorKind::Host`] when the lock file cannot be created.
    pub fn lock(&self, name: &str) -> Result<StoreLock> {
        self.lock_shown_as(name, name)
    }

    /// As [`Store::lock`], with another name in messages.
    ///
    /// # Errors
    /// As [`Store::lock`].
    pub fn lock_shown_as(&self, name: &str, shown: &str) -> Result<StoreLock> {
        StoreLock::take(
            &self.lock_file(name),
            shown,
            |text| self.progress.line(text),
            &crate::host::process::check_interrupt,
        )
    }

    /// The lock of that name, or None if another process holds it.
    pub fn try_lock(&self, name: &str) -> Option<StoreLock> {
        StoreLock::try_take(&self.lock_file(name))
    }

    /// The lock of an entry, or None if another process builds or uses it.
    pub fn try_lock_entry(&self, kind: &str, key: &str) -> Option<StoreLock> {
        self.try_lock(&lock_name(kind, key))
    }

    /// Removes an entry whose lock the caller holds.
    ///
    /// # Errors
    /// [`ErrorKind::Host`] when it cannot be removed.
    pub fn remove_locked(&self, kind: &str, key: &str, _lock: &StoreLock) -> Result<()> {
        self.evict(kind, key)
    }

    /// Shows messages about the cache.
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// Bytes that this user may still write to the disk of the cache.
    ///
    /// # Errors
    /// [`ErrorKind::Host`] when statvfs(3) fails.
    pub fn free_space(&self) -> Result<u64> {
        disk::free(&self.root).map_err(|error| io(&error, "reading the free space of", &self.root))
    }

    /// The kinds of entries, sorted.
    pub fn kinds(&self) -> Vec<String> {
        names(&self.root).into_iter().filter(|name| name != LOCKS && self.root.join(name).is_dir()).collect()
    }

    /// The keys of all complete entries of a kind, sorted.
    pub fn keys(&self, kind: &str) -> Vec<String> {
        names(&self.root.join(kind))
    }

    /// Bytes on disk by kind. A file with several hard links counts once, for the first kind.
    pub fn sizes(&self) -> Vec<(String, u64)> {
        let mut seen = HashSet::new();
        self.kinds().into_iter().map(|kind| (kind.clone(), disk::used(&self.root.join(&kind), &mut seen))).collect()
    }

    fn build(&self, kind: &str, key: &str, build: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
        self.sweep(&lock_name(kind, &file_name(key)));
        let done = self.place(kind, key);
        let unfinished = Unfinished { dir: self.unfinished(kind, key) };
        fs::create_dir_all(&unfinished.dir).map_err(|error| io(&error, "creating", &unfinished.dir))?;
        build(&unfinished.dir)?;
        fs::rename(&unfinished.dir, &done).map_err(|error| io(&error, "publishing", &done))?;
        if let Some(parent) = done.parent() {
            File::open(parent).and_then(|dir| dir.sync_all()).map_err(|error| io(&error, "syncing", parent))?;
        }
        Ok(done)
    }

    /// The entry, or None after removing a damaged one. The caller holds its lock, so no other process builds it.
    fn sound_or_evicted(&self, kind: &str, key: &str, depth: Depth) -> Result<Option<PathBuf>> {
        match self.verify(kind, key, depth)? {
            Condition::Absent => Ok(None),
            Condition::Sound(dir) => Ok(Some(dir)),
            Condition::Damaged(wrong) => {
                self.progress
                    .warn(format!("cache entry {kind}/{key} is damaged ({}); it is built again", wrong.join("; ")));
                self.evict(kind, key)?;
                Ok(None)
            }
        }
    }

    fn evict(&self, kind: &str, key: &str) -> Result<()> {
        let Some(dir) = self.entry(kind, key) else { return Ok(()) };
        self.sweep(&lock_name(kind, &file_name(key)));
        // The rename removes it at once; deleting the files can then be interrupted at any point.
        let doomed = self.unfinished(kind, key);
        fs::rename(&dir, &doomed).map_err(|error| io(&error, "removing", &dir))?;
        fs::remove_dir_all(&doomed).map_err(|error| io(&error, "removing", &doomed))
    }

    /// Removes the temporary directories of builders that died. A free lock proves that; a process id would not. The caller
    /// holds the lock named `mine`, so its temporary directories are those of dead builders too.
    fn sweep(&self, mine: &str) {
        for kind in self.kinds() {
            for entry in fs::read_dir(self.root.join(&kind)).into_iter().flatten().flatten() {
                let name = entry.file_name().to_string_lossy().into_owned();
                let Some((_pid, key)) = name.strip_prefix(UNFINISHED).and_then(|rest| rest.split_once('-')) else {
                    continue;
                };
                let lock = lock_name(&kind, key);
                let dead = lock == mine || StoreLock::try_take(&self.lock_file(&lock)).is_some();
                if dead {
                    let _ = fs::remove_dir_all(entry.path());
                }
            }
        }
    }

    fn place(&self, kind: &str, key: &str) -> PathBuf {
        self.root.join(file_name(kind)).join(file_name(key))
    }

    fn unfinished(&self, kind: &str, key: &str) -> PathBuf {
        // With the process id in it, orphaned children of a dead builder cannot write into the next one's directory.
        self.root.join(file_name(kind)).join(format!("{UNFINISHED}{}-{}", std::process::id(), file_name(key)))
    }

    fn lock_file(&self, name: &str) -> PathBuf {
        self.root.join(LOCKS).join(file_name(name))
    }
}

/// A temporary directory that is removed on drop unless it was renamed.
struct Unfinished {
    dir: PathBuf,
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if self.dir.exists() {
            let _ = fs::remove_dir_all(&self.dir);
        }
    }
}

fn default_root(var: impl Fn(&str) -> Option<PathBuf>) -> Result<PathBuf> {
    // The specification of XDG_CACHE_HOME asks for a relative path to be ignored.
    let cache = var("XDG_CACHE_HOME").filter(|dir| dir.is_absolute());
    let base = cache.or_else(|| var("HOME").filter(|dir| dir.is_absolute()).map(|home| home.join(".cache")));
    let missing = || Error::new(ErrorKind::Host, "no place for the cache: neither XDG_CACHE_HOME nor HOME is set");
    Ok(base
        .ok_or_else(|| missing().next("Set XDG_CACHE_HOME to a directory with 6 GB of free space."))?
        .join(APPLICATION))
}

fn unwritable(error: &std::io::Error, root: &Path) -> Error {
    let advice = "Set XDG_CACHE_HOME to a directory that you can write to; kernels and sources need about 6 GB there.";
    Error::new(ErrorKind::Host, format!("the cache directory {} is not writable", root.display()))
        .cause(error)
        .next(advice)
}

fn lock_name(kind: &str, key: &str) -> String {
    format!("{kind}-{key}")
}

/// Makes a version or a branch name a single path component.
fn file_name(name: &str) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() || "._+~-".contains(c) { c } else { '_' };
    let name: String = name.chars().map(safe).collect();
    if name.starts_with('.') { format!("_{name}") } else { name }
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.retain(|name| !name.starts_with('.'));
    names.sort();
    names
}

#[cfg(test)]
mod tests;
