//! A guest for a person, or for a script: the same kernel as a run has it, with busybox beside the guest program.
//!
//! [`attended`] gives it the terminal, [`unattended`] the commands of a script and takes what they print. What the guest
//! itself does is in [`cases::session`]. Nothing here is judged.

pub mod attended;
pub mod keys;
pub mod terminal;
pub mod unattended;

use std::path::Path;

use cases::session::{self, Order};

use crate::error::{Error, Result};
use crate::guest::initramfs::{GuestBinary, Initramfs};
use crate::guest::recording::Recording;
use crate::host::process::tail;
use crate::judge::complaint;

/// What the guest gets beside the kernel.
#[derive(Clone, Debug)]
pub struct ShellFiles<'a> {
    /// The guest program.
    pub guest: &'a GuestBinary,
    /// The static busybox.
    pub busybox: &'a [u8],
    /// Commands for `sh`; nothing: a shell on the console.
    pub script: Option<&'a str>,
    /// What is said when the shell starts.
    pub greeting: &'a str,
    /// The rest.
    pub order: Order,
}

/// How a guest came to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The shell or the script was over, with this status.
    Exit(i32),
    /// The person at the terminal ended it.
    Dismissed,
    /// It went away, or never came up. What is known about it.
    Lost(String),
}

/// The prompt tells at a glance that this is not the host.
const PROFILE: &str = "PS1='guest:\\w \\$ '\nalias ll='ls -l'\n[ -f /etc/motd ] && cat /etc/motd\n";

impl ShellFiles<'_> {
    /// Packs the guest's root file system.
    ///
    /// # Errors
    /// As [`Initramfs::pack`].
    pub fn pack(&self, path: &Path) -> Result<Initramfs> {
        let order = serde_json::to_vec(&self.order).map_err(|error| {
            Error::new(crate::error::ErrorKind::Internal, "an order cannot be written").cause(error)
        })?;
        let mut files = vec![
            (session::ORDER.to_string(), 0o644, order.as_slice()),
            (session::BUSYBOX.to_string(), 0o755, self.busybox),
            ("etc/profile".to_string(), 0o644, PROFILE.as_bytes()),
            ("etc/passwd".to_string(), 0o644, b"root::0:0:root:/root:/bin/sh\n"),
            ("etc/group".to_string(), 0o644, b"root::0:\n"),
            ("etc/motd".to_string(), 0o644, self.greeting.as_bytes()),
        ];
        files.extend(self.script.map(|script| (session::SCRIPT.to_string(), 0o644, script.as_bytes())));
        Initramfs::pack_files(path, self.guest, &files)
    }
}

/// What is known about a guest that went away without a word: what its kernel complained about, or else its last lines.
fn last_words(dir: &Path, qemu: &str) -> String {
    let console = std::fs::read(Recording::console_path(dir)).unwrap_or_default();
    let complaints = complaint::scan(&console);
    let mut lines: Vec<String> = complaints.iter().map(|complaint| complaint.sentence(1)).collect();
    if lines.is_empty() {
        lines = tail(&String::from_utf8_lossy(&console), 8).lines().map(crate::host::style::printable).collect();
    }
    // That it waits for somebody to listen is no word of trouble.
    lines.extend(qemu.lines().filter(|line| !line.contains(": info: ")).map(str::to_string));
    if lines.is_empty() { "its console is empty".into() } else { lines.join("\n") }
}
