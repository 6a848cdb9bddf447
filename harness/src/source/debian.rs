//! Kernel trees from Debian's source packages.
//!
//! A pointer file stores which tree belongs to a package and its suites. While that tree is in the cache, neither the
//! network nor apt is used. Only a refresh looks for a newer version.

use std::fs;
use std::path::{Path, PathBuf};

use super::apt::{Apt, Offer};
use super::{SourceTree, cached, keep, unpack};
use crate::error::{Error, ErrorKind, Result, io};
use crate::host::machine::Machine;
use crate::host::process::check_interrupt;
use crate::host::progress::{Progress, bytes};
use crate::host::store::Store;
use crate::host::store::manifest::{sha256, sha256_of};

/// Free space needed, as a multiple of the package size. The tree is about eleven times as large (7.2: 164 MB and 1.8 GB),
/// and the package exists beside it until it is unpacked.
const GROWTH: u64 = 13;

pub fn provide(
    package: &str,
    suites: &[String],
    store: &Store,
    progress: &Progress,
    refresh: bool,
) -> Result<SourceTree> {
    provide_on(&Machine::this(), package, suites, store, progress, refresh)
}

pub(super) fn provide_on(
    machine: &Machine,
    package: &str,
    suites: &[String],
    store: &Store,
    progress: &Progress,
    refresh: bool,
) -> Result<SourceTree> {
    let pointer = Pointer::new(store, package, suites)?;
    if !refresh && let Some(tree) = pointer.tree(store) {
        return Ok(tree);
    }
    let apt = Apt::new(machine, store.root().join("apt"))?;
    let _lock = store.lock("apt")?;
    // Another process may have fetched it while this one waited.
    if !refresh && let Some(tree) = pointer.tree(store) {
        return Ok(tree);
    }
    let offer = search(&apt, package, suites, progress)?;
    let key = format!("{package}_{}_{}", offer.version, &offer.sha256[..12]);
    let tree = match cached(store, &key) {
        Some(tree) => tree,
        None => {
            let downloads = store.directory("downloads", &key)?;
            room(store, &offer)?;
            let deb = download(&apt, &offer, &downloads, progress)?;
            let origin = format!("Debian {package} {} from {}, signature checked by apt", offer.version, offer.suite);
            let tree = keep(store, &key, &origin, package, |dir| {
                let task = progress.bytes(&format!("unpacking {package} {}", offer.version), Some(offer.installed));
                unpack::inside_deb(&deb, |packed| unpack::extract(packed, package, dir, &task))?;
                task.done("unpacked");
                Ok(())
            })?;
            // The lock is held, so nobody else downloads; this also removes older packages and broken downloads.
            let _ = fs::remove_dir_all(store.root().join("downloads"));
            tree
        }
    };
    pointer.set(&key)?;
    Ok(tree)
}

/// The first suite that has the package.
fn search(apt: &Apt<'_>, package: &str, suites: &[String], progress: &Progress) -> Result<Offer> {
    let mut findings = Vec::new();
    let mut readable = false;
    for suite in suites {
        let task = progress.task(&format!("looking for {package} in Debian {suite}"), None);
        let updated = apt.update(suite);
        if let Err(error) = &updated
            && matches!(error.kind, ErrorKind::Host | ErrorKind::Interrupt)
        {
            return updated.map(|()| unreachable!("it is an error"));
        }
        let offer = apt.offer(suite, package)?;
        if let (Some(offer), Err(error)) = (&offer, &updated) {
            progress.warn(format!("{}; using {} from the lists of an earlier run", error.title, offer.version));
        }
        if let Some(offer) = offer {
            task.done(format!("{} of {}", offer.version, bytes(offer.size)));
            return Ok(offer);
        }
        readable |= updated.is_ok();
        // Another suite may have another version, which matters to whoever compares results.
        match &updated {
            Err(error) => {
                let why = error.cause.lines().last().unwrap_or_default();
                progress.warn(format!("skipping Debian {suite}, apt cannot read it: {why}"));
                drop(task);
            }
            Ok(()) => task.done("not found"),
        }
        findings.push(match updated {
            Err(error) => format!("{suite}: cannot be read\n    {}", error.cause.replace('\n', "\n    ")),
            Ok(()) => match apt.kernels(suite).as_slice() {
                [] => format!("{suite}: no linux-source-*"),
                kernels => format!("{suite}: {}", kernels.join(", ")),
            },
        });
    }
    let findings = findings.join("\n");
    if !readable {
        return Err(Error::new(ErrorKind::Source, format!("{package} cannot be fetched: no Debian suite can be read"))
            .cause(findings)
            .next("Check the network and the mirror in /etc/apt, or name a kernel tree with --kernel-tree."));
    }
    Err(Error::new(ErrorKind::Source, format!("{package} is not in any of the searched Debian suites"))
        .cause(findings)
        .next("Name another suite or package in kernels.toml, or a kernel tree with --kernel-tree."))
}

fn room(store: &Store, offer: &Offer) -> Result<()> {
    let (free, needed) = (store.free_space()?, offer.size * GROWTH);
    if free >= needed {
        return Ok(());
    }
    let place = store.root().display();
    Err(Error::new(ErrorKind::Host, format!("not enough disk space for {}", offer.package))
        .cause(format!("it needs about {}, and {place} has {} free", bytes(needed), bytes(free)))
        .next("Free some space, or set XDG_CACHE_HOME to a larger disk. `cargo xtask doctor` shows the sizes."))
}

/// Downloads the package and compares it with the sum in the signed index. apt compares too, but not a file of the right size
/// that is already there.
fn download(apt: &Apt<'_>, offer: &Offer, dir: &Path, progress: &Progress) -> Result<PathBuf> {
    let mut fetched = 0;
    loop {
        if !find_deb(dir).is_some_and(|deb| fs::metadata(deb).is_ok_and(|meta| meta.len() == offer.size)) {
            fetched += 1;
            let task = progress.bytes(&format!("fetching {} {}", offer.package, offer.version), Some(offer.size));
            match apt.download(offer, dir, &task) {
                Ok(()) => task.done(bytes(offer.size)),
                Err(error)
                    if error.kind == ErrorKind::Source && error.cause.contains("Hash Sum mismatch") && fetched < 2 =>
                {
                    progress.warn("the download is damaged; fetching it again");
                    clear(dir)?;
                    continue;
                }
                Err(error) => return Err(error),
            }
        }
        let Some(deb) = find_deb(dir) else {
            return Err(Error::new(
                ErrorKind::Source,
                format!("apt downloaded {}, but there is no file", offer.package),
            )
            .next("Try again, or download the kernel in another way and use --tarball."));
        };
        let task = progress.bytes("checking the download", Some(offer.size));
        let found = sha256(&deb, |more| {
            task.inc(more);
            check_interrupt()
        })?;
        drop(task);
        if found == offer.sha256 {
            return Ok(deb);
        }
        clear(dir)?;
        if fetched >= 2 {
            return Err(Error::new(ErrorKind::Source, format!("{} was damaged in two downloads", offer.package))
                .cause(format!("sha256 in the signed index {}\nsha256 of the download    {found}", offer.sha256))
                .next("A proxy or failing hardware may change files between the mirror and this machine."));
        }
        progress.warn(format!("the download of {} is damaged; fetching it again", offer.package));
    }
}

fn find_deb(dir: &Path) -> Option<PathBuf> {
    let mut files = fs::read_dir(dir).ok()?.flatten().map(|entry| entry.path());
    files.find(|path| path.extension().is_some_and(|extension| extension == "deb"))
}

fn clear(dir: &Path) -> Result<()> {
    fs::remove_dir_all(dir).and_then(|()| fs::create_dir_all(dir)).map_err(|error| io(&error, "emptying", dir))
}

/// The file that stores which tree belongs to a package.
struct Pointer {
    file: PathBuf,
}

impl Pointer {
    /// The suites are part of the file name: after an edit of kernels.toml they are searched again.
    fn new(store: &Store, package: &str, suites: &[String]) -> Result<Pointer> {
        let sum = sha256_of(suites.join(" ").as_bytes());
        Ok(Pointer { file: store.directory("pointers", "debian")?.join(format!("{package}-{}", &sum[..12])) })
    }

    fn tree(&self, store: &Store) -> Option<SourceTree> {
        cached(store, fs::read_to_string(&self.file).ok()?.trim())
    }

    fn set(&self, key: &str) -> Result<()> {
        let failed = |error: std::io::Error| io(&error, "writing", &self.file);
        let unfinished = self.file.with_extension("new");
        fs::write(&unfinished, format!("{key}\n")).map_err(failed)?;
        fs::rename(&unfinished, &self.file).map_err(failed)
    }
}
