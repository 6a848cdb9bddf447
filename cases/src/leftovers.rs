//! What a case may leave in the guest for those after it, looked for after each. What it may leave in the kernel is in
//! [`crate::resource_counts`].

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use nix::sys::statfs::{TMPFS_MAGIC, statfs};

/// Where cases put files.
const SCRATCH: &str = "/tmp";
const MOUNTS: &str = "/proc/self/mounts";

/// The mounts that the runner made. A case that changes them leaves another machine to the next.
#[derive(Debug)]
pub struct Mounts(Option<String>);

impl Mounts {
    /// Takes stock.
    pub fn take() -> Self {
        Mounts(fs::read_to_string(MOUNTS).ok())
    }

    /// Whether they are as they were.
    pub fn kept(&self) -> bool {
        self.0 == fs::read_to_string(MOUNTS).ok()
    }
}

/// The files in /tmp.
#[derive(Debug)]
pub enum TmpFiles {
    /// Nobody else's: what lies there after a case is the case's, and goes.
    Own,
    /// Those that were there before are somebody else's. New ones are told and left alone; not even that where the
    /// directory is not the guest's alone, as under virtme-ng, and the host's programs put files there.
    Shared(BTreeSet<PathBuf>),
}

impl TmpFiles {
    /// A case is about to begin.
    pub fn begins(&mut self) {
        if let TmpFiles::Shared(known) = self {
            *known = if is_our_own() { lying() } else { BTreeSet::new() };
        }
    }

    /// What the case has left.
    pub fn left(&self) -> Option<String> {
        let mut found = lying();
        match self {
            TmpFiles::Own => found.iter().for_each(|path| {
                let _ = fs::remove_file(path).or_else(|_| fs::remove_dir_all(path));
            }),
            TmpFiles::Shared(_) if !is_our_own() => return None,
            TmpFiles::Shared(known) => found.retain(|path| !known.contains(path)),
        }
        let names: Vec<String> = found.iter().map(|path| path.display().to_string()).collect();
        (!names.is_empty()).then(|| names.join(", "))
    }
}

/// Whether the files are in this kernel's memory and nowhere else.
fn is_our_own() -> bool {
    statfs(SCRATCH).is_ok_and(|found| found.filesystem_type() == TMPFS_MAGIC)
}

fn lying() -> BTreeSet<PathBuf> {
    fs::read_dir(SCRATCH).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}
