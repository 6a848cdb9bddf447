//! Tests whether KVM works by running a guest under it.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::unistd::{Gid, Group};

use super::Accel;
use super::probe_result::{ProbeResult, Stage, StageResult};
use crate::error::{Context, ErrorKind, Result};
use crate::guest::boot_plan::BootPlan;
use crate::guest::initramfs::{GuestBinary, Initramfs};
use crate::guest::recording::Recording;
use crate::host::arch::X86_64;
use crate::host::machine::Machine;
use crate::host::process::{Running, check_interrupt, create};

/// How long the guest may take to its first byte. A kernel that boots prints within a few tenths of a second.
pub const LIMIT: Duration = Duration::from_secs(2);

/// The device.
const DEVICE: &str = "/dev/kvm";
/// How often a child is polled.
const POLL: Duration = Duration::from_millis(5);
/// How long to wait for a killed child.
const KILL_TIMEOUT: Duration = Duration::from_millis(300);

/// A test of KVM.
#[derive(Debug)]
pub struct Probe<'a> {
    /// The machine with the device and QEMU.
    pub machine: &'a Machine,
    /// The kernel for the guest; without one, no guest is run.
    pub kernel: Option<&'a Path>,
    /// How long the guest may take to its first byte.
    pub limit: Duration,
}

/// The result of waiting for a child.
enum Seen {
    /// It is ready.
    Ready,
    /// The child ended before that.
    Ended(ExitStatus),
    /// The timeout has passed.
    TimedOut,
}

impl Probe<'_> {
    /// Opens the device, and if that works, boots a guest.
    ///
    /// # Errors
    /// [`ErrorKind::Host`] when QEMU cannot be started, [`ErrorKind::Interrupt`].
    pub fn ask(&self) -> Result<ProbeResult> {
        let mut findings = vec![self.device()];
        if let (Some(kernel), true) = (self.kernel, findings[0].works) {
            findings.push(self.guest(kernel)?);
        }
        Ok(ProbeResult { findings })
    }

    /// The first stage: opens the device.
    pub fn device(&self) -> StageResult {
        let start = Instant::now();
        let path = self.machine.file(DEVICE);
        let refused = match OpenOptions::new().read(true).write(true).open(&path) {
            Ok(_) => None,
            Err(error) => Some(refusal(&error, path.metadata().ok().map(|meta| (meta.mode(), meta.gid())))),
        };
        let detail = refused.clone().unwrap_or_else(|| format!("{DEVICE} opens"));
        finding(Stage::Device, refused.is_none(), detail, start)
    }

    /// The last stage: boots a real kernel.
    fn guest(&self, kernel: &Path) -> Result<StageResult> {
        let (start, limit) = (Instant::now(), self.limit);
        let dir = tempfile::tempdir().context(ErrorKind::Host, || "no temporary directory".into())?;
        // An empty init: the guest is killed before it would be started.
        let empty = GuestBinary { bytes: Vec::new() };
        let initramfs = Initramfs::pack(&dir.path().join("initramfs.cpio"), &empty, &[])?;
        let mut plan = BootPlan::new(&X86_64, kernel, &initramfs, dir.path(), Accel::Kvm);
        plan.qemu = self.machine.program(X86_64.qemu).map_or(X86_64.qemu.into(), |path| path.display().to_string());
        let console = Recording::console_path(dir.path());
        let errors = dir.path().join("stderr");
        // If QEMU aborts, do not dump the guest's memory into the core file.
        let command = plan.command().args(["-machine", "dump-guest-core=off"]);
        let running = command.start(Stdio::null(), Stdio::null(), create(&errors)?.into())?;
        let printed = || console.metadata().is_ok_and(|meta| meta.len() > 0);
        let (seen, stuck) = watch(running, limit, printed)?;
        let detail = match seen {
            Seen::Ready => {
                let detail = format!("a guest booted in {:.2} s", start.elapsed().as_secs_f64());
                return Ok(finding(Stage::Guest, true, detail, start));
            }
            Seen::Ended(status) if status.success() => "a guest restarted before its first byte".into(),
            Seen::Ended(status) => {
                let text = fs::read_to_string(&errors).unwrap_or_default();
                format!(
                    "QEMU ended with {status}{}",
                    complaint(&text).map_or(String::new(), |line| format!(": {line}"))
                )
            }
            Seen::TimedOut => format!("a guest printed nothing within {:.1} s{stuck}", limit.as_secs_f64()),
        };
        Ok(finding(Stage::Guest, false, detail, start))
    }
}

fn finding(stage: Stage, works: bool, detail: String, start: Instant) -> StageResult {
    StageResult { stage, works, detail, ms: start.elapsed().as_millis() as u64 }
}

/// Why the device does not open. `owner` is its mode and group, if they can be read.
fn refusal(error: &std::io::Error, owner: Option<(u32, u32)>) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => format!("there is no {DEVICE}"),
        std::io::ErrorKind::PermissionDenied => {
            let group = owner.filter(|(mode, _)| mode & 0o060 == 0o060).map(|(_, gid)| name(gid));
            let who = group.map_or("only root".into(), |group| format!("members of the group {group}"));
            format!("this user has no permission to open {DEVICE}; {who} can")
        }
        _ => format!("{DEVICE} cannot be opened: {error}"),
    }
}

fn name(gid: u32) -> String {
    let group = Group::from_gid(Gid::from_raw(gid)).ok().flatten();
    group.map_or_else(|| gid.to_string(), |group| group.name)
}

/// QEMU's error message: its first line that is not a warning, without the program's name.
fn complaint(stderr: &str) -> Option<&str> {
    let line = stderr.lines().find(|line| !line.trim().is_empty() && !line.contains(": warning: "))?;
    Some(line.strip_prefix(X86_64.qemu).and_then(|line| line.strip_prefix(": ")).unwrap_or(line))
}

/// Waits until `ready`, or the end of the child, or the limit. Kills the child in any case. If it cannot be killed, the text says
/// so.
fn watch(mut running: Running, limit: Duration, ready: impl Fn() -> bool) -> Result<(Seen, &'static str)> {
    let start = Instant::now();
    let seen = loop {
        if let Err(interrupt) = check_interrupt() {
            end(running)?;
            return Err(interrupt);
        }
        let ended = running.try_wait()?;
        if ready() {
            break Seen::Ready;
        }
        if let Some(status) = ended {
            break Seen::Ended(status);
        }
        if start.elapsed() > limit {
            break Seen::TimedOut;
        }
        std::thread::sleep(POLL);
    };
    Ok((seen, if end(running)? { "" } else { ", and QEMU cannot be killed" }))
}

/// Kills a child and returns whether it has ended.
fn end(mut running: Running) -> Result<bool> {
    if running.try_wait()?.is_some() {
        return Ok(true);
    }
    running.kill_group();
    let start = Instant::now();
    while running.try_wait()?.is_none() {
        if start.elapsed() > KILL_TIMEOUT {
            // Dropping it would wait forever.
            std::mem::forget(running);
            return Ok(false);
        }
        std::thread::sleep(POLL);
    }
    Ok(true)
}

#[cfg(test)]
mod tests;
