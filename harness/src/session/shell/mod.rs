//! A guest with a shell, for a person or a script: the kernel of a run, with busybox beside the guest program.
//!
//! [`attended`] connects it to the terminal; [`unattended`] runs a script and takes its output. The guest's side is
//! [`cases::session`]. Nothing here is judged.

pub mod attended;
pub mod keys;
pub mod terminal;
pub mod unattended;

use std::path::Path;

use cases::selinux;
use cases::session::{self, Order};

use crate::error::{Error, Result, io};
use crate::guest::initramfs::{GuestBinary, Initramfs};
use crate::guest::recording::Recording;
use crate::host::process::tail;
use crate::judge::complaint;

/// Contents of the guest's root file system.
#[derive(Clone, Debug)]
pub struct ShellFiles<'a> {
    /// The guest program.
    pub guest: &'a GuestBinary,
    /// The static busybox.
    pub busybox: &'a [u8],
    /// Commands for `sh`; `None` for a shell on the console.
    pub script: Option<&'a str>,
    /// Printed when the shell starts.
    pub greeting: &'a str,
    /// Options for the guest program.
    pub order: Order,
    /// The SELinux policy of the kernel, if it has one.
    pub policy: Option<&'a Path>,
}

/// How a guest ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The shell or the script ended, with this status.
    Exit(i32),
    /// The user ended it.
    Dismissed,
    /// It ended unexpectedly or did not boot, with what is known about it.
    Lost(String),
}

/// A prompt that differs from that of the host.
const PROFILE: &str = "PS1='guest:\\w \\$ '\nalias ll='ls -l'\n[ -f /etc/motd ] && cat /etc/motd\n";

impl ShellFiles<'_> {
    /// Packs the guest's root file system.
    ///
    /// # Errors
    /// As [`Initramfs::pack`].
    pub fn pack(&self, path: &Path) -> Result<Initramfs> {
        let order = serde_json::to_vec(&self.order).map_err(|error| {
            Error::new(crate::error::ErrorKind::Internal, "the options of the shell cannot be encoded").cause(error)
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
        let read = |path: &Path| std::fs::read(path).map_err(|error| io(&error, "reading", path));
        let policy = self.policy.map(read).transpose()?;
        files.extend(policy.iter().map(|policy| (selinux::POLICY.to_string(), 0o644, policy.as_slice())));
        Initramfs::pack_files(path, self.guest, &files)
    }
}

/// What is known about a guest that ended unexpectedly: complaints of its kernel, or else its last lines.
fn last_words(dir: &Path, qemu: &str) -> String {
    let console = std::fs::read(Recording::console_path(dir)).unwrap_or_default();
    let complaints = complaint::scan(&console);
    let mut lines: Vec<String> = complaints.iter().map(|complaint| complaint.sentence(1)).collect();
    if lines.is_empty() {
        lines = tail(&String::from_utf8_lossy(&console), 8).lines().map(crate::host::style::printable).collect();
    }
    // Messages that QEMU waits for a connection are not errors.
    lines.extend(qemu.lines().filter(|line| !line.contains(": info: ")).map(str::to_string));
    if lines.is_empty() { "its console is empty".into() } else { lines.join("\n") }
}
