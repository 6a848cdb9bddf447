//! Runs a guest: starts QEMU, records its output, and ends it when a deadline has passed.

use std::fs::File;
use std::io::{Read, Write};
use std::ops::ControlFlow;
use std::path::Path;
use std::process::{ChildStdout, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use cases::protocol::{Line, Record};

use crate::error::{Error, ErrorKind, Result, io};
use crate::guest::boot_plan::BootPlan;
use crate::guest::hang::processors;
use crate::guest::hang::qmp::Qmp;
use crate::guest::hang::sysrq;
use crate::guest::lines::Lines;
use crate::guest::recording::{Findings, GuestEnd, GuestOutput, Phase, Recording};
use crate::guest::starvation::Starvation;
pub use crate::guest::watchdog::Timeouts;
use crate::guest::watchdog::Watchdog;
use crate::host::process::{self, Running, check_interrupt};

/// The file in the directory of a recording with QEMU's process id, which is also its process group id.
pub const PID: &str = "qemu.pid";

/// Pause between two reads of the channel.
const GATHER: Duration = Duration::from_millis(2);

/// Interval of checks for deadlines.
const TICK: Duration = Duration::from_millis(50);
/// Interval at which the time is looked at that the guest had to wait for a processor.
const LOOK: Duration = Duration::from_millis(500);
/// A longer time than this between two ticks means that this program was stopped.
const STOPPED: Duration = Duration::from_secs(2);
/// Maximum number of unread chunks of the channel; with more, QEMU blocks.
const MAX_CHUNKS: usize = 64;
/// Maximum output of a guest, in MiB. A run of all cases has 10 kB on the console and 360 kB on the channel.
const CONSOLE_MIB: u64 = 32;
const CHANNEL_MIB: u64 = 16;
const MIB: u64 = 1 << 20;

/// Runs a guest to its end. `on_record` gets every record as it arrives.
///
/// # Errors
/// [`ErrorKind::Host`] when QEMU cannot be started or the recording cannot be written. Nothing that the guest does is an error.
pub fn run(plan: &BootPlan, timeouts: Timeouts, mut on_record: impl FnMut(&Record)) -> Result<Recording> {
    run_until(
        plan,
        timeouts,
        || false,
        |record| {
            on_record(record);
            ControlFlow::Continue(())
        },
    )
}

/// As [`run`], but `on_record` can end the guest, and so can `in_vain` between records. Bytes that arrived together with the last
/// record are recorded too.
///
/// # Errors
/// As [`run`].
pub fn run_until(
    plan: &BootPlan,
    timeouts: Timeouts,
    in_vain: impl Fn() -> bool,
    mut on_record: impl FnMut(&Record) -> ControlFlow<()>,
) -> Result<Recording> {
    let stderr_path = plan.dir.join("qemu.stderr");
    let results_path = Recording::results_path(&plan.dir);
    let mut results = process::create(&results_path)?;
    // QEMU creates it too, but not if its command line is invalid.
    let console_path = Recording::console_path(&plan.dir);
    process::create(&console_path)?;
    // Not in the directory of the recording: the path of a socket is limited to about a hundred bytes.
    let scratch = process::scratch_directory()?;
    let qmp = scratch.path().join("qmp");
    let plan = &BootPlan { qmp: Some(qmp.clone()), ..plan.clone() };
    let examine = || Qmp::connect(&qmp).map(|qmp| examine(plan, qmp, scratch.path())).unwrap_or_default();
    let command = plan.command();
    std::fs::write(plan.dir.join("qemu.cmdline"), command.quoted() + "\n")
        .map_err(|error| io(&error, "writing", &plan.dir))?;
    let start = Instant::now();
    let mut qemu = command.start(Stdio::null(), Stdio::piped(), process::create(&stderr_path)?.into())?;
    std::fs::write(plan.dir.join(PID), qemu.id().to_string()).map_err(|error| io(&error, "writing", &plan.dir))?;
    let stdout = qemu.take_stdout().ok_or_else(|| Error::new(ErrorKind::Internal, "QEMU has no standard output"))?;
    let bytes = read(stdout);

    let mut watch = Watchdog::new(timeouts);
    let mut starvation = Starvation::of(qemu.id());
    let mut lines = Lines::default();
    let mut received: u64 = 0;
    let mut findings = Findings::default();
    let mut dismissed = false;
    let mut enough = false;
    let mut gone = false;
    let mut last_look = start.elapsed();
    let ending = loop {
        if check_interrupt().is_err() {
            break GuestEnd::Interrupted;
        }
        if in_vain() {
            break GuestEnd::Enough;
        }
        let mut counted = false;
        match bytes.recv_timeout(TICK) {
            Ok(chunk) => {
                results.write_all(&chunk).map_err(|error| io(&error, "writing", &results_path))?;
                received += chunk.len() as u64;
                lines.push(&chunk, |line| {
                    // Do not parse garbage.
                    if line.first() != Some(&b'{') {
                        return;
                    }
                    let Ok(Line { record, .. }) = serde_json::from_slice(line) else { return };
                    watch.record(&record, start.elapsed());
                    if matches!(record, Record::Stop { stuck: true, .. }) {
                        findings = examine();
                        dismissed = true;
                    }
                    counted |= matches!(record, Record::Count { .. });
                    enough |= on_record(&record).is_break();
                });
                if enough {
                    break GuestEnd::Enough;
                }
            }
            Err(RecvTimeoutError::Disconnected) => break died(&mut qemu, timeouts.leave, &stderr_path)?,
            Err(RecvTimeoutError::Timeout) if gone => break died(&mut qemu, timeouts.leave, &stderr_path)?,
            // Another process may hold its standard output open. Still read what is in the pipe.
            Err(RecvTimeoutError::Timeout) => gone = qemu.try_wait()?.is_some(),
        }
        let now = start.elapsed();
        if now - last_look > LOOK {
            let gap = now - last_look;
            let starved = starvation.since_last();
            watch.excuse(if gap > STOPPED { gap } else { starved.min(gap) });
            last_look = now;
        }
        let printed = console_path.metadata().map_or(0, |meta| meta.len());
        watch.console(printed, now);
        if counted && dismissed {
            // Its reboot would hang, because it waits for a processor that does not respond.
            break GuestEnd::Dismissed;
        }
        if printed > CONSOLE_MIB * MIB {
            break GuestEnd::Flooded { outlet: GuestOutput::Console, mib: CONSOLE_MIB, phase: watch.phase().clone() };
        }
        if received > CHANNEL_MIB * MIB {
            break GuestEnd::Flooded { outlet: GuestOutput::Channel, mib: CHANNEL_MIB, phase: watch.phase().clone() };
        }
        if let Some(stalled) = watch.overdue(now) {
            // Not twice: a guest that was examined and does not leave has nothing new to show.
            if !dismissed {
                findings = examine();
            }
            break stalled;
        }
    };
    drop(qemu);
    if let GuestEnd::Flooded { outlet: GuestOutput::Console, .. } = ending {
        let cut = File::options().write(true).open(&console_path).and_then(|file| file.set_len(CONSOLE_MIB * MIB));
        cut.map_err(|error| io(&error, "truncating", &console_path))?;
    }
    Recording::close(&plan.dir, ending, findings, start.elapsed())
}

/// Reads in a thread, so that deadlines do not wait for bytes.
fn read(mut stdout: ChildStdout) -> Receiver<Vec<u8>> {
    let (sender, bytes) = mpsc::sync_channel(MAX_CHUNKS);
    std::thread::spawn(move || {
        let mut chunk = [0u8; 16 * 1024];
        while let Ok(len) = stdout.read(&mut chunk) {
            if len == 0 || sender.send(chunk[..len].to_vec()).is_err() {
                break;
            }
            // QEMU writes single bytes. Reading each at once would use a processor that the guest needs.
            std::thread::sleep(GATHER);
        }
    });
    bytes
}

/// Examines a guest that hangs: first without the kernel's help, then with sysrq.
fn examine(plan: &BootPlan, mut qmp: Qmp, scratch: &Path) -> Findings {
    let mut findings = Findings::default();
    let system_map = plan.kernel.with_file_name("System.map");
    (findings.processors, findings.stacks) =
        processors::look(&mut qmp, plan.arch.stack, &system_map, &scratch.join("memory"));
    let console = Recording::console_path(&plan.dir);
    // A kernel without output has no console yet.
    if let Some(printed) = console.metadata().ok().map(|meta| meta.len()).filter(|len| *len > 0) {
        findings.asked_at = Some(printed as usize);
        sysrq::ask(&mut qmp, &console, &scratch.join("keyboard"));
    }
    findings
}

/// Waits for the end of QEMU after it has closed the channel.
fn died(qemu: &mut Running, timeouts: Duration, stderr: &Path) -> Result<GuestEnd> {
    let start = Instant::now();
    loop {
        if let Some(status) = qemu.try_wait()? {
            let stderr = last_lines(stderr);
            // The status is success after a reboot of the guest, and also if QEMU got a signal.
            return Ok(match status.success() && !stderr.contains("terminating on signal") {
                true => GuestEnd::Left,
                // A second Ctrl-C killed it before the first one was noticed here.
                false if check_interrupt().is_err() => GuestEnd::Interrupted,
                false => GuestEnd::QemuDied { status: status.to_string(), stderr },
            });
        }
        if check_interrupt().is_err() {
            return Ok(GuestEnd::Interrupted);
        }
        if start.elapsed() > timeouts {
            return Ok(GuestEnd::Stalled { phase: Phase::Leaving, silent_ms: start.elapsed().as_millis() as u64 });
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn last_lines(path: &Path) -> String {
    process::tail(&std::fs::read_to_string(path).unwrap_or_default(), 10)
}
