//! What a case may leave in the guest for those after it, looked for after each. What it may leave in the kernel is in
//! [`crate::ledger`].

use std::fs;

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
