//! Kernel sources. Every provider returns a tree, a key for its contents, and a line about its origin.
//!
//! Unpacked trees are entries of the cache: `sources/<key>/tree`, with `source.json` beside the tree. For a tree in the
//! cache, neither the network, nor apt, nor the archive is needed.

mod apt;
mod debian;
mod directory;
mod git;
pub mod git_spec;
pub mod repository;
pub mod spec;
mod tarball;
mod unpack;

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{Context, Error, ErrorKind, Result, io};
use crate::host::progress::Progress;
use crate::host::store::Store;
use crate::source::git_spec::RefLookup;
use crate::source::spec::SourceSpec;

/// The cache kind of unpacked trees.
pub const KIND: &str = "sources";
const RECORD: &str = "source.json";
const TREE: &str = "tree";

/// A kernel tree on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceTree {
    /// The top directory. Never written to.
    pub dir: PathBuf,
    /// Identifies the contents if the tree is pristine; for the user's own tree it identifies only the path.
    pub key: String,
    /// VERSION.PATCHLEVEL.SUBLEVEL and EXTRAVERSION of the tree's Makefile.
    pub version: String,
    /// One line: where it came from.
    pub origin: String,
    /// Whether the contents never change.
    pub pristine: bool,
}

/// The contents of `source.json`.
#[derive(Debug, Serialize, Deserialize)]
struct Record {
    version: String,
    origin: String,
}

/// Returns the tree of a source, from the cache if possible. Branches of a remote repository are looked up each time, Debian's
/// suites only with [`RefLookup::Anew`].
///
/// # Errors
/// [`ErrorKind::Source`] when the source cannot be fetched or is not a kernel tree; [`ErrorKind::Host`] for disk, network
/// and tools; [`ErrorKind::Interrupt`].
pub fn provide(spec: &SourceSpec, store: &Store, progress: &Progress, look: RefLookup) -> Result<SourceTree> {
    match spec {
        SourceSpec::Debian { package, suites } => {
            debian::provide(package, suites, store, progress, look == RefLookup::Anew)
        }
        SourceSpec::Directory(dir) => directory::provide(dir),
        SourceSpec::Git(spec) => git::provide(spec, store, progress, look),
        SourceSpec::Tarball { path, sha256 } => tarball::provide(path, sha256.as_deref(), store, progress),
    }
}

/// The origins of all trees in the cache.
pub fn known(store: &Store) -> Vec<String> {
    let trees = store.keys(KIND).into_iter().filter_map(|key| cached(store, &key));
    trees.map(|tree| format!("{} from {}", tree.version, tree.origin)).collect()
}

/// A tree that is in the cache.
fn cached(store: &Store, key: &str) -> Option<SourceTree> {
    let entry = store.entry(KIND, key)?;
    let record: Record = serde_json::from_str(&fs::read_to_string(entry.join(RECORD)).ok()?).ok()?;
    let dir = entry.join(TREE);
    // Reads the Makefile to detect a tree that somebody has emptied.
    let whole = kernel_version(&dir).is_ok_and(|version| version == record.version);
    let tree = SourceTree { dir, key: key.to_string(), version: record.version, origin: record.origin, pristine: true };
    whole.then_some(tree)
}

/// Puts a tree into the cache. `unpack` writes the contents of an archive into a directory.
fn keep(
    store: &Store,
    key: &str,
    origin: &str,
    what: &str,
    unpack: impl FnOnce(&Path) -> Result<()>,
) -> Result<SourceTree> {
    if store.entry(KIND, key).is_some() && cached(store, key).is_none() {
        store.progress().warn(format!("cache entry {KIND}/{key} is damaged; it is unpacked again"));
        store.remove(KIND, key)?;
    }
    store.publish(KIND, key, |entry| {
        let unpacked = entry.join("unpacked");
        fs::create_dir(&unpacked).map_err(|error| io(&error, "creating", &unpacked))?;
        unpack(&unpacked)?;
        let tree = entry.join(TREE);
        fs::rename(unpack::single_top(&unpacked, what)?, &tree).map_err(|error| io(&error, "creating", &tree))?;
        fs::remove_dir(&unpacked).map_err(|error| io(&error, "removing", &unpacked))?;
        looks_like_a_kernel(&tree, what)?;
        let record = Record { version: kernel_version(&tree)?, origin: origin.to_string() };
        let text =
            serde_json::to_string_pretty(&record).context(ErrorKind::Internal, || format!("writing {RECORD}"))?;
        fs::write(entry.join(RECORD), text + "\n").map_err(|error| io(&error, "writing", &entry.join(RECORD)))
    })?;
    cached(store, key)
        .ok_or_else(|| Error::new(ErrorKind::Internal, format!("{KIND}/{key} was unpacked, but is not in the cache")))
}

/// Fails unless the directory has the files of a kernel with dma-buf.
fn looks_like_a_kernel(dir: &Path, what: &str) -> Result<()> {
    let missing: Vec<&str> = ["Makefile", "Kconfig", "drivers/dma-buf/dma-buf.c"]
        .into_iter()
        .filter(|name| !dir.join(name).is_file())
        .collect();
    if missing.is_empty() {
        return kernel_version(dir).map(drop);
    }
    Err(Error::new(ErrorKind::Source, format!("{what} is not a kernel tree"))
        .cause(format!("missing: {}", missing.join(", ")))
        .next("Name the top directory of a Linux tree that has drivers/dma-buf."))
}

/// VERSION.PATCHLEVEL.SUBLEVEL and EXTRAVERSION from the top Makefile.
fn kernel_version(dir: &Path) -> Result<String> {
    let path = dir.join("Makefile");
    let text = fs::read_to_string(&path).map_err(|error| io(&error, "reading", &path))?;
    let value = |name: &str| {
        let mut values =
            text.lines().take(30).filter_map(|line| line.strip_prefix(name)?.trim_start().strip_prefix('='));
        values.next().map(|value| value.trim().to_string())
    };
    match (value("VERSION"), value("PATCHLEVEL"), value("SUBLEVEL"), value("EXTRAVERSION")) {
        (Some(major), Some(minor), Some(sub), extra) => {
            Ok(format!("{major}.{minor}.{sub}{}", extra.unwrap_or_default()))
        }
        _ => Err(Error::new(ErrorKind::Source, format!("{} has no kernel version", path.display()))
            .next("The Makefile at the top of a kernel source has VERSION, PATCHLEVEL and SUBLEVEL.")),
    }
}

#[cfg(test)]
mod tests;
