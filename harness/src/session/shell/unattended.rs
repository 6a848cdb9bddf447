//! A guest that runs a script: passes on its output, without kernel messages.

use std::io::Read;
use std::process::Stdio;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cases::session::SessionEvent;

use super::{Ended, last_words};
use crate::error::{Error, ErrorKind, Result};
use crate::guest::boot_plan::BootPlan;
use crate::guest::lines::Lines;
use crate::guest::recording::Recording;
use crate::host::process::{Running, check_interrupt, create, tail};
use crate::judge::complaint;

/// Timeout from the start of QEMU to the shell: many times what a busy host needs. The script itself has no timeout.
const BOOT: Duration = Duration::from_secs(180);
/// Timeout from the last record to the end of QEMU.
const LEAVE: Duration = Duration::from_secs(20);
const TICK: Duration = Duration::from_millis(50);

/// An output stream of the script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// Runs the guest to its end and returns how it ended and the complaints of its kernel. `print` gets the output of the script.
///
/// # Errors
/// [`ErrorKind::Host`] when QEMU cannot be started, [`ErrorKind::Interrupt`]. A lost guest is not an error.
pub fn run(plan: &BootPlan, mut print: impl FnMut(Stream, &[u8])) -> Result<(Ended, Vec<String>)> {
    let stderr = plan.dir.join("qemu.stderr");
    create(&Recording::console_path(&plan.dir))?;
    let mut qemu = plan.command().start(Stdio::null(), Stdio::piped(), create(&stderr)?.into())?;
    let stdout = qemu.take_stdout().ok_or_else(|| Error::new(ErrorKind::Internal, "QEMU has no standard output"))?;
    let bytes = pieces(stdout);
    let start = Instant::now();
    let (mut lines, mut script) = (Lines::default(), ScriptState::default());
    loop {
        check_interrupt()?;
        match bytes.recv_timeout(TICK) {
            Ok(piece) => lines.push(&piece, |line| script.take(line, &mut print)),
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {}
        }
        if !script.ready && start.elapsed() > BOOT {
            script.why = Some(format!("no shell started within {} seconds", BOOT.as_secs()));
            break;
        }
    }
    let gone = ends(&mut qemu, if script.why.is_some() { Duration::ZERO } else { LEAVE })?;
    drop(qemu);
    let console = std::fs::read(Recording::console_path(&plan.dir)).unwrap_or_default();
    let complaints = complaint::scan(&console).iter().map(|complaint| complaint.sentence(1)).collect();
    let ended = match script.status {
        Some(status) if gone => Ended::Exit(status),
        _ => {
            let qemu = tail(&std::fs::read_to_string(&stderr).unwrap_or_default(), 5);
            let why = script.why.unwrap_or_else(|| "it ended before the script did".into());
            Ended::Lost(format!("{why}\n{}", last_words(&plan.dir, &qemu)))
        }
    };
    Ok((ended, complaints))
}

/// Waits for the end of QEMU. Returns false after a timeout.
pub(super) fn ends(qemu: &mut Running, timeout: Duration) -> Result<bool> {
    let start = Instant::now();
    while qemu.try_wait()?.is_none() {
        check_interrupt()?;
        if start.elapsed() > timeout {
            return Ok(false);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(true)
}

/// Reads in a thread.
pub(super) fn pieces(mut from: impl Read + Send + 'static) -> Receiver<Vec<u8>> {
    let (sender, pieces) = mpsc::sync_channel(64);
    std::thread::spawn(move || {
        let mut piece = [0u8; 16 * 1024];
        while let Ok(len) = from.read(&mut piece) {
            if len == 0 || sender.send(piece[..len].to_vec()).is_err() {
                break;
            }
        }
    });
    pieces
}

/// The state of the script, from the events of the guest.
#[derive(Debug, Default)]
struct ScriptState {
    ready: bool,
    status: Option<i32>,
    why: Option<String>,
}

impl ScriptState {
    fn take(&mut self, line: &[u8], print: &mut impl FnMut(Stream, &[u8])) {
        let mut out = |stream, data: &str| match STANDARD.decode(data) {
            Ok(bytes) => print(stream, &bytes),
            Err(error) => self.why = Some(format!("the output of the script arrived damaged: {error}")),
        };
        match serde_json::from_slice(line) {
            Ok(SessionEvent::Ready) => self.ready = true,
            Ok(SessionEvent::Out(data)) => out(Stream::Out, &data),
            Ok(SessionEvent::Err(data)) => out(Stream::Err, &data),
            // Damaged output is never a success.
            Ok(SessionEvent::Exit(status)) if self.why.is_none() => self.status = Some(status),
            Ok(SessionEvent::Exit(_)) => {}
            Ok(SessionEvent::Failed(why)) => self.why = Some(why),
            Err(error) => self.why = Some(format!("the guest sent an invalid record: {error}")),
        }
    }
}
