//! A running guest: starts QEMU, writes down what it says, and decides when it has been silent for too long.

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
use crate::guest::recording::{Findings, GuestEnd, Outlet, Phase, Recording};
pub use crate::guest::watchdog::Timeouts;
use crate::guest::watchdog::Watchdog;
use crate::host::process::{self, Running, check_interrupt};

/// The file in the directory of a recording that holds QEMU's process id, which is also that of its process group.
pub const PID: &str = "qemu.pid";

/// How long bytes of the channel are let to gather.
const GATHER: Duration = Duration::from_millis(2);

/// How often deadlines are looked at.
const TICK: Duration = Duration::from_millis(50);
/// Between two ticks nothing takes this long, unless this program was stopped itself.
const STOPPED: Duration = Duration::from_secs(2);
/// Chunks of the channel that may wait; QEMU waits when there are more.
const WAITING: usize = 64;
/// The most that a guest may say, in MiB. Of a whole run of every case the console takes 10 kB and the channel 360 kB.
const CONSOLE_MIB: u64 = 32;
const CHANNEL_MIB: u64 = 16;
const MIB: u64 = 1 << 20;

/// Runs a guest to its end, whichever that is. `on_record` sees every record as it arrives.
///
/// # Errors
/// [`ErrorKind::Host`] when QEMU cannot be started or the recording cannot be written. Whatever the guest does is no error.
pub fn run(plan: &BootPlan, timeouts: Timeouts, mut on_record: impl FnMut(&Record)) -> Result<Recording> {
    run_until(plan, timeouts, |record| {
        on_record(record);
        ControlFlow::Continue(())
    })
}

/// As [`run`], but `on_record` can end the guest. What came in one piece with the last record is recorded as well.
///
/// # Errors
/// As [`run`].
pub fn run_until(
    plan: &BootPlan,
    timeouts: Timeouts,
    mut on_record: impl FnMut(&Record) -> ControlFlow<()>,
) -> Result<Recording> {
    let stderr_path = plan.dir.join("qemu.stderr");
    let results_path = Recording::results_path(&plan.dir);
    let mut results = process::create(&results_path)?;
    // QEMU creates it as well, but only once it has understood its command line.
    let console_path = Recording::console_path(&plan.dir);
    process::create(&console_path)?;
    // Not in the directory of the recording: the path of a socket has room for a hundred bytes only.
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
    let mut lines = Lines::default();
    let mut heard: u64 = 0;
    let mut findings = Findings::default();
    let mut dismissed = false;
    let mut enough = false;
    let mut gone = false;
    let mut last_tick = start.elapsed();
    let ending = loop {
        if check_interrupt().is_err() {
            break GuestEnd::Interrupted;
        }
        let mut counted = false;
        match bytes.recv_timeout(TICK) {
            Ok(chunk) => {
                results.write_all(&chunk).map_err(|error| io(&error, "writing", &results_path))?;
                heard += chunk.len() as u64;
                lines.push(&chunk, |line| {
                    // A flood of rubbish is not to be parsed twice.
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
            // Somebody else may hold its standard output open. What is in the pipe still comes.
            Err(RecvTimeoutError::Timeout) => gone = qemu.try_wait()?.is_some(),
        }
        let now = start.elapsed();
        if now - last_tick > STOPPED {
            watch.excuse(now - last_tick);
        }
        last_tick = now;
        let printed = console_path.metadata().map_or(0, |meta| meta.len());
        watch.console(printed, now);
        if counted && dismissed {
            // It would only try to stop a processor that does not listen.
            break GuestEnd::Dismissed;
        }
        if printed > CONSOLE_MIB * MIB {
            break GuestEnd::Flooded { outlet: Outlet::Console, mib: CONSOLE_MIB, phase: watch.phase().clone() };
        }
        if heard > CHANNEL_MIB * MIB {
            break GuestEnd::Flooded { outlet: Outlet::Channel, mib: CHANNEL_MIB, phase: watch.phase().clone() };
        }
        if let Some(stalled) = watch.overdue(now) {
            // Once is enough: a guest that does not leave after it was looked at has nothing new to show.
            if !dismissed {
                findings = examine();
            }
            break stalled;
        }
    };
    drop(qemu);
    if let GuestEnd::Flooded { outlet: Outlet::Console, .. } = ending {
        let cut = File::options().write(true).open(&console_path).and_then(|file| file.set_len(CONSOLE_MIB * MIB));
        cut.map_err(|error| io(&error, "cutting", &console_path))?;
    }
    Recording::close(&plan.dir, ending, findings, start.elapsed())
}

/// Reads in a thread of its own, so that deadlines do not wait for bytes.
fn read(mut stdout: ChildStdout) -> Receiver<Vec<u8>> {
    let (sender, bytes) = mpsc::sync_channel(WAITING);
    std::thread::spawn(move || {
        let mut chunk = [0u8; 16 * 1024];
        while let Ok(len) = stdout.read(&mut chunk) {
            if len == 0 || sender.send(chunk[..len].to_vec()).is_err() {
                break;
            }
            // QEMU writes byte by byte. Reading them so would cost a processor that the guest could use.
            std::thread::sleep(GATHER);
        }
    });
    bytes
}

/// Finds out what can be found out about a guest that hangs: first without the kernel's help, then by asking it.
fn examine(plan: &BootPlan, mut qmp: Qmp, scratch: &Path) -> Findings {
    let mut findings = Findings::default();
    let system_map = plan.kernel.with_file_name("System.map");
    (findings.processors, findings.stacks) = processors::look(&mut qmp, &system_map, &scratch.join("memory"));
    let console = Recording::console_path(&plan.dir);
    // A kernel that has not printed anything yet has no console to ask on.
    if let Some(printed) = console.metadata().ok().map(|meta| meta.len()).filter(|len| *len > 0) {
        findings.asked_at = Some(printed as usize);
        sysrq::ask(&mut qmp, &console, &scratch.join("keyboard"));
    }
    findings
}

/// How QEMU ended, when its end of the channel is closed. It may close it and stay all the same.
fn died(qemu: &mut Running, timeouts: Duration, stderr: &Path) -> Result<GuestEnd> {
    let start = Instant::now();
    loop {
        if let Some(status) = qemu.try_wait()? {
            let stderr = last_words(stderr);
            // QEMU ends well when it is asked to end from outside, as it does when the guest restarts.
            return Ok(match status.success() && !stderr.contains("terminating on signal") {
                true => GuestEnd::Left,
                // The second Ctrl-C kills it before anything here has seen the first.
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

fn last_words(path: &Path) -> String {
    process::tail(&std::fs::read_to_string(path).unwrap_or_default(), 10)
}
