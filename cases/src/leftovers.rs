//! Mounts and files that a case may leave in the guest, checked after each case. For resources of the kernel see
//! [`crate::resource_counts`].

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;

use nix::sys::statfs::{TMPFS_MAGIC, statfs};

/// Where cases create files.
const SCRATCH: &str = "/tmp";
const MOUNTS: &str = "/proc/self/mounts";

/// The mounts that the runner made. A case that changes them affects the cases after it.
#[derive(Debug)]
pub struct Mounts {
    /// Stays open: opening it costs more than reading it.
    file: Option<File>,
    before: Option<Vec<u8>>,
    kept: bool,
}

impl Mounts {
    /// Reads them.
    pub fn take() -> Self {
        let file = File::open(MOUNTS).ok();
        Mounts { before: read_from_start(file.as_ref()), file, kept: true }
    }

    /// Reads them again.
    pub fn look(&mut self) {
        self.kept = self.before == read_from_start(self.file.as_ref());
    }

    /// Whether they were unchanged at the last look.
    pub fn kept(&self) -> bool {
        self.kept
    }
}

fn read_from_start(file: Option<&File>) -> Option<Vec<u8>> {
    let (mut file, mut text) = (file?, Vec::with_capacity(1 << 10));
    file.seek(SeekFrom::Start(0)).and_then(|_| file.read_to_end(&mut text)).ok()?;
    Some(text)
}

/// The files in /tmp.
#[derive(Debug)]
pub enum TmpFiles {
    /// Used by nobody else: files there after a case belong to the case and are removed.
    Own,
    /// Files that existed before belong to others. New ones are reported and not removed; not even reported when the
    /// directory is shared with the host, as under virtme-ng, where the host's programs create files.
    Shared(BTreeSet<PathBuf>),
}

impl TmpFiles {
    /// Called before a case begins.
    pub fn begins(&mut self) {
        if let TmpFiles::Shared(known) = self {
            *known = if is_private() { present() } else { BTreeSet::new() };
        }
    }

    /// The files that the case left.
    pub fn left(&self) -> Option<String> {
        let mut found = present();
        match self {
            TmpFiles::Own => found.iter().for_each(|path| {
                let _ = fs::remove_file(path).or_else(|_| fs::remove_dir_all(path));
            }),
            TmpFiles::Shared(_) if !is_private() => return None,
            TmpFiles::Shared(known) => found.retain(|path| !known.contains(path)),
        }
        let names: Vec<String> = found.iter().map(|path| path.display().to_string()).collect();
        (!names.is_empty()).then(|| names.join(", "))
    }
}

/// Whether the directory is in this kernel's memory only.
fn is_private() -> bool {
    statfs(SCRATCH).is_ok_and(|found| found.filesystem_type() == TMPFS_MAGIC)
}

fn present() -> BTreeSet<PathBuf> {
    fs::read_dir(SCRATCH).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}
