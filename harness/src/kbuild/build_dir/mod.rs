//! The build directory: a tree of hard links to the pristine source and an object directory. It is kept between runs, so
//! that testing another series is one incremental build.
//!
//! Only files whose contents differ are rewritten, always as new files, because the others are links to the pristine
//! source. This is true for edits and for the change to another commit. A build directory is locked while it is in use.

mod mirror;
mod scope;
mod sync;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::{Context, ErrorKind, Result, io};
use crate::host::process::Cmd;
use crate::host::progress::Progress;
use crate::host::store::Store;
use crate::host::store::lock::StoreLock;
use crate::host::store::manifest::sha256_of;
use crate::patch::PatchedTree;

pub use mirror::fingerprint;

/// The kind of entries in the cache that are directories of builds.
pub const BUILD_DIRS: &str = "workshops";

/// A tree and an object directory, for as long as the lock is held.
#[derive(Debug)]
pub struct BuildDir {
    dir: PathBuf,
    /// Held as long as the value lives, and by children that change the directory.
    pub lock: StoreLock,
}

/// What is known about the tree, in `state.json`.
#[derive(Debug, Default, Serialize, Deserialize)]
struct State {
    /// The key of the source.
    source: String,
    /// Paths that may differ from the source.
    edited: BTreeSet<PathBuf>,
    /// Inode of the source directory: another one if the source was fetched again.
    #[serde(default)]
    inode: Option<u64>,
    /// The files that have changed since the objects were built; None if that is unknown.
    #[serde(default)]
    unbuilt: Option<BTreeSet<PathBuf>>,
    /// Sum of the other fields; None in a file of an earlier version.
    #[serde(default)]
    sum: Option<String>,
}

impl State {
    fn sum_of_rest(&self) -> String {
        let known = format!("{:?}", (&self.source, &self.edited, self.inode));
        // Without it the sum is as in earlier versions.
        let unbuilt = self.unbuilt.as_ref().map(|unbuilt| format!("{unbuilt:?}")).unwrap_or_default();
        sha256_of((known + &unbuilt).as_bytes())
    }
}

/// The file that exists while make runs.
const BUILDING: &str = "building";

impl BuildDir {
    /// Opens the build directory for a source and a flavour; waits while another process uses it.
    ///
    /// # Errors
    /// [`ErrorKind::Host`], or [`ErrorKind::Interrupt`] while waiting.
    pub fn open(store: &Store, kernel: &str, flavour: &str) -> Result<Self> {
        let name = format!("{kernel}-{flavour}");
        // Earlier versions use the same cache, so the names on disk stay.
        let lock = store.lock_shown_as(&format!("workshop-{name}"), &format!("build-dir-{name}"))?;
        Ok(BuildDir { dir: store.directory(BUILD_DIRS, &name)?, lock })
    }

    /// The source tree.
    pub fn tree(&self) -> PathBuf {
        self.dir.join("tree")
    }

    /// The object directory.
    pub fn objects(&self) -> PathBuf {
        self.dir.join("objects")
    }

    /// A file beside the two.
    pub fn note(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Makes the tree equal to `patched`.
    ///
    /// # Errors
    /// [`ErrorKind::Host`] when files cannot be written.
    pub fn sync(&self, patched: &PatchedTree) -> Result<()> {
        let tree = self.tree();
        let mut state = self.state();
        // Unknown while files are copied, in case this is interrupted.
        let mut unbuilt = state.unbuilt.take();
        if patched.source.pristine {
            let dir = &patched.source.dir;
            let inode = fs::metadata(dir).map_err(|error| io(&error, "reading", dir))?.ino();
            if !tree.is_dir() {
                self.start_over(patched)?;
                unbuilt = None;
                state = State { source: patched.source.key.clone(), ..State::default() };
            } else if state.source != patched.source.key || state.inode.is_some_and(|old| old != inode) {
                // If this is interrupted, the next run finds no source and compares all files again.
                state.source.clear();
                self.remember(&mut state)?;
                sync::sync(dir, &tree, &patched.edits.0.keys().cloned().collect())?;
                unbuilt = None;
                state = State { source: patched.source.key.clone(), ..State::default() };
            }
            state.inode = Some(inode);
        } else {
            let ours = patched.edits.0.keys().cloned().collect();
            self.remember(&mut state)?;
            let changed = mirror::mirror(&patched.source.dir, &tree, &self.note("stamps"), &ours)?;
            unbuilt = unbuilt.map(|unbuilt| unbuilt.into_iter().chain(changed).collect());
            state.source.clone_from(&patched.source.key);
        }
        let edits = &patched.edits.0;
        let stale: Vec<PathBuf> = state.edited.iter().filter(|path| !edits.contains_key(*path)).cloned().collect();
        // Recorded first: a process that dies here must not leave an edit without a record.
        state.edited.extend(edits.keys().cloned());
        self.remember(&mut state)?;
        let pristine = |path: &PathBuf| fs::read(patched.source.dir.join(path)).ok();
        let restored = stale.into_iter().map(|path| (pristine(&path), path));
        let edited = edits.iter().map(|(path, contents)| (contents.clone(), path.clone()));
        for (contents, path) in restored.chain(edited) {
            if put(&tree.join(&path), contents.as_deref())?
                && let Some(unbuilt) = &mut unbuilt
            {
                unbuilt.insert(path);
            }
        }
        state.edited = edits.keys().cloned().collect();
        state.unbuilt = unbuilt;
        self.remember(&mut state)
    }

    /// The directories whose objects depend on what has changed since the last build; None if that is unknown, or if more than
    /// objects may depend on it. make then has to look at all directories.
    pub fn scope(&self) -> Option<Vec<String>> {
        scope::scope(&self.objects(), &self.state().unbuilt?)
    }

    /// Whether every object that depends on what has changed since the last build is newer than that.
    pub fn is_fresh(&self) -> bool {
        self.state().unbuilt.is_some_and(|unbuilt| scope::is_fresh(&self.objects(), &self.tree(), &unbuilt))
    }

    /// Records that the objects are those of the tree.
    ///
    /// # Errors
    /// [`ErrorKind::Host`].
    pub fn is_built(&self) -> Result<()> {
        self.remember(&mut State { unbuilt: Some(BTreeSet::new()), ..self.state() })
    }

    /// Creates the file `building` before make runs. If it exists already, the last build was killed or lost power, and make would
    /// take incomplete files for finished: removes all files that are newer than it. False if files were removed.
    ///
    /// # Errors
    /// [`ErrorKind::Host`].
    pub fn begin(&self, progress: &Progress) -> Result<bool> {
        let building = self.note(BUILDING);
        let changed = |meta: &fs::Metadata| (meta.ctime(), meta.ctime_nsec());
        let since = building.symlink_metadata().ok().map(|meta| changed(&meta));
        let mut count = 0;
        for entry in walkdir::WalkDir::new(self.objects()).into_iter().filter_map(Result::ok) {
            let Some(meta) = entry.metadata().ok().filter(fs::Metadata::is_file) else { continue };
            // A power loss can leave empty objects, which ld accepts.
            let empty = meta.len() == 0 && entry.path().extension().is_some_and(|extension| extension == "o");
            if empty || since.is_some_and(|since| changed(&meta) >= since) {
                fs::remove_file(entry.path()).map_err(|error| io(&error, "removing", entry.path()))?;
                count += 1;
            }
        }
        if count > 0 {
            progress.line(format!("the last build in this directory was interrupted; {count} files are built again"));
        }
        // A new file, so that its time is now.
        let _ = fs::remove_file(&building);
        let created = fs::File::create(&building).and_then(|file| file.sync_all());
        created.map_err(|error| io(&error, "writing", &building))?;
        Ok(count == 0)
    }

    /// Removes the file `building`: make has ended, successfully or not, and left no incomplete files.
    ///
    /// # Errors
    /// [`ErrorKind::Host`].
    pub fn end(&self) -> Result<()> {
        let building = self.note(BUILDING);
        fs::remove_file(&building).map_err(|error| io(&error, "removing", &building))
    }

    /// Whether a kernel was linked here.
    pub fn has_built(&self) -> bool {
        self.objects().join("vmlinux").exists()
    }

    /// Hash over all Kconfig and *.config files of the tree.
    ///
    /// # Errors
    /// [`ErrorKind::Host`].
    pub fn kconfigs(&self) -> Result<String> {
        let tree = self.tree();
        let mut hash = Sha256::new();
        let source = |name: &str| name.starts_with("Kconfig") || name.ends_with(".config");
        for entry in walkdir::WalkDir::new(&tree).sort_by_file_name().into_iter().filter_map(Result::ok) {
            if entry.file_type().is_file() && entry.file_name().to_str().is_some_and(source) {
                let text = fs::read(entry.path()).map_err(|error| io(&error, "reading", entry.path()))?;
                hash.update(entry.path().strip_prefix(&tree).unwrap_or(entry.path()).as_os_str().as_bytes());
                hash.update((text.len() as u64).to_le_bytes());
                hash.update(text);
            }
        }
        Ok(format!("{:x}", hash.finalize()))
    }

    /// Removes the object directory, for a build from scratch.
    ///
    /// # Errors
    /// [`ErrorKind::Host`].
    pub fn discard_objects(&self) -> Result<()> {
        match fs::remove_dir_all(self.objects()) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(io(&error, "removing", &self.objects())),
            _ => Ok(()),
        }
    }

    /// Reads `state.json`. If it is damaged, returns the default, so that all files are compared again.
    fn state(&self) -> State {
        let text = fs::read_to_string(self.note("state.json")).unwrap_or_default();
        let state: State = serde_json::from_str(&text).unwrap_or_default();
        let valid = state.sum.as_ref().is_none_or(|sum| *sum == state.sum_of_rest());
        if valid { state } else { State::default() }
    }

    fn remember(&self, state: &mut State) -> Result<()> {
        state.sum = Some(state.sum_of_rest());
        let text = serde_json::to_string(state)
            .context(ErrorKind::Internal, || "encoding the state of a build directory".into())?;
        let (path, fresh) = (self.note("state.json"), self.note("state.json.new"));
        fs::write(&fresh, text).map_err(|error| io(&error, "writing", &fresh))?;
        fs::rename(&fresh, &path).map_err(|error| io(&error, "writing", &path))
    }

    fn start_over(&self, patched: &PatchedTree) -> Result<()> {
        for note in ["state.json", BUILDING] {
            let _ = fs::remove_file(self.note(note));
        }
        for dir in [self.tree(), self.objects(), self.note("tree.new")] {
            if dir.exists() {
                fs::remove_dir_all(&dir).map_err(|error| io(&error, "removing", &dir))?;
            }
        }
        let fresh = self.note("tree.new");
        Cmd::new("cp")
            .args(["--archive", "--link", "--no-target-directory"])
            .path(&patched.source.dir)
            .path(&fresh)
            .holding(self.lock.handle())
            .succeed(ErrorKind::Host, "copying the kernel source into the build directory failed")?;
        fs::rename(&fresh, self.tree()).map_err(|error| io(&error, "renaming", &fresh))
    }
}

/// Writes `contents` to `path`, or removes it if there are none. False if it was so already.
fn put(path: &Path, contents: Option<&[u8]>) -> Result<bool> {
    let now = fs::read(path).ok();
    if now.as_deref() == contents {
        return Ok(false);
    }
    if now.is_some() {
        // The file may be a link to the pristine source: never write into it.
        fs::remove_file(path).map_err(|error| io(&error, "removing", path))?;
    }
    let Some(contents) = contents else { return Ok(true) };
    let parent = path.parent().unwrap_or(path);
    fs::create_dir_all(parent).map_err(|error| io(&error, "creating", parent))?;
    fs::write(path, contents).map_err(|error| io(&error, "writing", path))?;
    if contents.starts_with(b"#!") {
        // Kconfig and make execute some scripts directly.
        let runs = fs::Permissions::from_mode(0o755);
        fs::set_permissions(path, runs).map_err(|error| io(&error, "writing", path))?;
    }
    Ok(true)
}

#[cfg(test)]
mod tests;
