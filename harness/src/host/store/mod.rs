//! The cache: entries that are complete or not there, and locks for what is changed in place.
//!
//! An entry `<root>/<kind>/<key>` appears by one rename, after its builder succeeded in a temporary directory beside
//! it. Whoever builds holds the lock of that entry, so a second process waits and then finds it done. A temporary
//! directory whose lock is free belongs to a builder that died; it is swept when the cache is opened the next time.
//! Whoever uses an entry that may be removed meanwhile shares its lock.
//!
//! A machine that loses power may lose the contents of files that were renamed into place a moment before. Entries
//! with a manifest are written through to the disk and can be checked; whole source trees are not, they would take
//! longer to sync than to unpack again.

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

/// What a check of an entry found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Nobody has made it yet.
    Absent,
    /// Complete, and as its manifest says.
    Sound(PathBuf),
    /// Something is missing or different: one line each.
    Damaged(Vec<String>),
}

impl Store {
    /// Opens the cache, and creates it if need be: `root`, else below `XDG_CACHE_HOME`, else below `~/.cache`.
    ///
    /// # Errors
    /// [`ErrorKind::Host`] when there is no such place or it cannot be written.
    pub fn open(root: Option<&Path>) -> Result<Store> {
        let root = match root {
            Some(root) => std::path::absolute(root).map_err(|error| unwritable(&error, root))?,
            None => default_root(|name| std::env::var_os(name).map(PathBuf::from))?,
        };
        fs::create_dir_all(root.join(LOCKS)).map_err(|error| unwritable(&error, &root))?;
        // A read-only file system or a foreign owner shows here, not after minutes of work.
        // It has no name, so that nothing is left of it whatever happens.
        tempfile::tempfile_in(&root).map_err(|error| unwritable(&error, &root))?;
        let store = Store { root, progress: Progress::new(crate::host::progress::Mode::Plain) };
        store.sweep("");
        Ok(store)
    }

    /// Lets messages (who is waited for, what was damaged) go to the given place instead of plain standard error.
    #[must_use]
    pub fn announcing(mut self, progress: &Progress) -> Self {
        self.progress = progress.clone();
        self
    }

    /// The directory of the whole cache.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A directory of the cache that is changed in place, under a lock of the caller's; created if need be.
    ///
    /// # Errors
    /// [`ErrorKind::Host`] when it cannot be created.
    pub fn workshop(&self, kind: &str, key: &str) -> Result<PathBuf> {
        let dir = self.place(kind, key);
        fs::create_dir_all(&dir).map_err(|error| io(&error, "creating", &dir))?;
        Ok(dir)
    }

    /// A complete entry, or nothing. Takes no lock and reads no file.
    pub fn entry(&self, kind: &str, key: &str) -> Option<PathBuf> {
        let dir = self.place(kind, key);
        dir.is_dir().then_some(dir)
    }

    /// Gives the entry, and has it built in a temporary directory first if it is not there.
    ///
    /// # Errors
    /// The builder's own; [`ErrorKind::Host`] when the cache cannot be written; [`ErrorKind::Interrupt`] while waiting for
    /// another process that builds the same. Nothing of a failed build is kept.
    pub fn publish(&self, kind: &str, key: &str, build: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
        if let Some(done) = self.entry(kind, key) {
            progress::detail(|| format!("cache: {kind}/{key} is there"));
            return Ok(done);
        }
        progress::detail(|| format!("cache: {kind}/{key} is not there"));
        let _lock = self.lock(&lock_name(kind, key))?;
        match self.entry(kind, key) {
            Some(done) => Ok(done),
            None => self.build(kind, key, build),
        }
    }

    /// As [`Store::publish`] for entries of a few files: a manifest of their sizes and sums is kept, they are synced
    /// to the disk, and an entry that is not as its manifest says is thrown away and built again.
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
            progress::detail(|| format!("cache: {kind}/{key} is there, and as its manifest says"));
            return Ok(done);
        }
        progress::detail(|| format!("cache: {kind}/{key} is not there, or damaged"));
        let _lock = self.lock(&lock_name(kind, key))?;
        if let Some(done) = self.sound_or_evicted(kind, key, Depth::Hashes)? {
            return Ok(done);
        }
        self.build(kind, key, |dir| {
            build(dir)?;
            StoreManifest::of(dir)?.write(dir)
        })
    }

    /// Checks an entry with a manifest: sizes take microseconds, sums read every byte.
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

    /// An entry with a manifest if it is sound; a damaged one is removed, with a line that says why.
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

    /// Removes an entry, complete or not.
    ///
    /// # Errors
    /// [`ErrorKind::Host`] when it cannot be removed, [`ErrorKind::Interrupt`] while waiting for its lock.
    pub fn remove(&self, kind: &str, key: &str) -> Result<()> {
        let _lock = self.lock(&lock_name(kind, key))?;
        self.evict(kind, key)
    }

    /// Removes an entry unless somebody builds or uses it; gives whether it is gone.
    ///
    /// # Errors
    /// [`ErrorKind::Host`] when it cannot be removed.
    pub fn remove_unused(&self, kind: &str, key: &str) -> Result<bool> {
        match StoreLock::try_take(&self.lock_file(&lock_name(kind, key))) {
            Some(_lock) => self.evict(kind, key).map(|()| true),
            None => Ok(false),
        }
    }

    /// Keeps an entry from being removed until the value is dropped; nothing if it is not there. Several may do so.
    ///
    /// # Errors
    /// [`ErrorKind::Interrupt`] while waiting for who removes or builds it, [`ErrorKind::Host`] when the lock cannot be made.
    pub fn hold(&self, kind: &str, key: &str) -> Result<Option<StoreLock>> {
        let name = lock_name(kind, key);
        let tell = |text: &str| self.progress.line(text);
        let lock = StoreLock::share(&self.lock_file(&name), &name, tell, &crate::host::process::check_interrupt)?;
        Ok(self.entry(kind, key).map(|_| lock))
    }

    /// Waits for a lock by name and holds it until the value is dropped.
    ///
    /// # Errors
    /// [`ErrorKind::Interrupt`] while waiting, [`ErrorKind::Host`] when the lock file cannot be made.
    pub fn lock(&self, name: &str) -> Result<StoreLock> {
        StoreLock::take(
            &self.lock_file(name),
            name,
            |text| self.progress.line(text),
            &crate::host::process::check_interrupt,
        )
    }

    /// The lock of that name, if nobody holds it.
    pub fn try_lock(&self, name: &str) -> Option<StoreLock> {
        StoreLock::try_take(&self.lock_file(name))
    }

    /// The lock of an entry, if nobody builds or uses it.
    pub fn try_lock_entry(&self, kind: &str, key: &str) -> Option<StoreLock> {
        self.try_lock(&lock_name(kind, key))
    }

    /// Removes an entry of which the caller holds the lock, whatever its name.
    ///
    /// # Errors
    /// [`ErrorKind::Host`] when it cannot be removed.
    pub fn remove_locked(&self, kind: &str, key: &str, _lock: &StoreLock) -> Result<()> {
        self.evict(kind, key)
    }

    /// Where messages about the cache go.
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// Bytes that this user may still write to the disk of the cache.
    ///
    /// # Errors
    /// [`ErrorKind::Host`] when the file system does not say.
    pub fn free_space(&self) -> Result<u64> {
        disk::free(&self.root).map_err(|error| io(&error, "asking for the free space of", &self.root))
    }

    /// The kinds of entries there are, by name.
    pub fn kinds(&self) -> Vec<String> {
        names(&self.root).into_iter().filter(|name| name != LOCKS && self.root.join(name).is_dir()).collect()
    }

    /// The keys of all complete entries of a kind, by name.
    pub fn keys(&self, kind: &str) -> Vec<String> {
        names(&self.root.join(kind))
    }

    /// Bytes on disk below the cache, by kind; a file with several names counts once, for the first kind by name.
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

    /// The entry if it is sound; else it is gone. The caller holds its lock, so nobody can be making it anew meanwhile.
    fn sound_or_evicted(&self, kind: &str, key: &str, depth: Depth) -> Result<Option<PathBuf>> {
        match self.verify(kind, key, depth)? {
            Condition::Absent => Ok(None),
            Condition::Sound(dir) => Ok(Some(dir)),
            Condition::Damaged(wrong) => {
                self.progress
                    .warn(format!("cache entry {kind}/{key} is damaged ({}); it is made again", wrong.join("; ")));
                self.evict(kind, key)?;
                Ok(None)
            }
        }
    }

    fn evict(&self, kind: &str, key: &str) -> Result<()> {
        let Some(dir) = self.entry(kind, key) else { return Ok(()) };
        self.sweep(&lock_name(kind, &file_name(key)));
        // It goes out of sight at once; the slow part may then be interrupted at any point.
        let doomed = self.unfinished(kind, key);
        fs::rename(&dir, &doomed).map_err(|error| io(&error, "removing", &dir))?;
        fs::remove_dir_all(&doomed).map_err(|error| io(&error, "removing", &doomed))
    }

    /// Removes what builders left behind that are not alive any more. The lock says so, a process id would not. The
    /// caller holds the lock named `mine`, so whatever belongs to it belongs to the dead.
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
        // The process id keeps a builder's orphaned children out of the directory of the next one.
        self.root.join(file_name(kind)).join(format!("{UNFINISHED}{}-{}", std::process::id(), file_name(key)))
    }

    fn lock_file(&self, name: &str) -> PathBuf {
        self.root.join(LOCKS).join(file_name(name))
    }
}

/// A temporary directory that goes away unless it was renamed into place.
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
    Ok(base.ok_or_else(|| missing().next("Set XDG_CACHE_HOME to a directory with 6 GB of room."))?.join(APPLICATION))
}

fn unwritable(error: &std::io::Error, root: &Path) -> Error {
    let advice = "Set XDG_CACHE_HOME to a directory that you may write to; kernels and sources need about 6 GB there.";
    Error::new(ErrorKind::Host, format!("the cache directory {} cannot be written", root.display()))
        .cause(error)
        .next(advice)
}

fn lock_name(kind: &str, key: &str) -> String {
    format!("{kind}-{key}")
}

/// A name that is one component of a path, whatever a version or a branch is called.
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
