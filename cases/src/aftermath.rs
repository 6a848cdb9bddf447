//! What a case may leave behind for those after it, looked for after each.

use std::fs;

use crate::uapi::importer::{Count, Importer};

/// Where cases put files.
const SCRATCH: &str = "/tmp";
const MOUNTS: &str = "/proc/self/mounts";

/// The state of the guest before a case.
#[derive(Debug)]
pub struct Before {
    buffers: Option<Count>,
    files: Option<u64>,
}

impl Before {
    /// Takes stock.
    pub fn take(importer: Option<&Importer>) -> Self {
        Before { buffers: buffers(importer), files: open_files() }
    }

    /// What is left in the kernel that was not there before, in words. To be asked when RCU holds nothing any more.
    pub fn left(&self, importer: Option<&Importer>) -> Option<String> {
        if let (Some(before), Some(after)) = (self.buffers, buffers(importer))
            && before != after
        {
            let what = "buffers on the global list after the case's process is gone";
            return Some(format!("{after} {what}, {before} before it"));
        }
        let (before, after) = (self.files?, open_files()?);
        (after > before).then(|| format!("{} open files that no process holds", after - before))
    }
}

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

/// Removes what lies in /tmp and gives back its names.
pub fn clear_scratch() -> Option<String> {
    let names: Vec<String> = fs::read_dir(SCRATCH)
        .ok()?
        .flatten()
        .map(|entry| {
            let path = entry.path();
            let _ = fs::remove_file(&path).or_else(|_| fs::remove_dir_all(&path));
            path.display().to_string()
        })
        .collect();
    (!names.is_empty()).then(|| names.join(", "))
}

fn buffers(importer: Option<&Importer>) -> Option<Count> {
    importer.and_then(|importer| importer.totals().ok()).map(|totals| totals.listed)
}

/// Files that are allocated, whoever holds them: the first number of /proc/sys/fs/file-nr (fs/file_table.c).
fn open_files() -> Option<u64> {
    fs::read_to_string("/proc/sys/fs/file-nr").ok()?.split_whitespace().next()?.parse().ok()
}
