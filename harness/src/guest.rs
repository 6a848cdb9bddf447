//! A running guest: starts QEMU, writes down what it says, and decides when it has been silent for too long.

use std::io::{Read, Write};
use std::ops::ControlFlow;
use std::path::Path;
use std::process::Stdio;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use cases::protocol::{Line, Record};

use crate::boot_plan::BootPlan;
use crate::error::{Blame, Error, Result, io};
use crate::process::{self, check_interrupt};
use crate::processors;
use crate::recording::{Ending, Recording};

/// How long silence may last.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// From the start of QEMU to the plan.
    pub boot: Duration,
    /// Beyond the limit that the guest itself gives a case.
    pub grace: Duration,
    /// From the closing count to the end of QEMU.
    pub leave: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Patience { boot: Duration::from_secs(90), grace: Duration::from_secs(10), leave: Duration::from_secs(20) }
    }
}

/// How long bytes of the channel are let to gather.
const GATHER: Duration = Duration::from_millis(2);

/// What the guest was last heard doing.
struct Phase {
    name: String,
    allowed: Duration,
}

/// Runs a guest to its end, whichever that is. `on_record` sees every record as it arrives.
///
/// # Errors
/// [`Blame::Host`] when QEMU cannot be started or the recording cannot be written. Whatever the guest does is no error.
pub fn run(plan: &BootPlan, patience: Patience, mut on_record: impl FnMut(&Record)) -> Result<Recording> {
    run_until(plan, patience, |record| {
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
    patience: Patience,
    mut on_record: impl FnMut(&Record) -> ControlFlow<()>,
) -> Result<Recording> {
    let stderr_path = plan.dir.join("qemu.stderr");
    let results_path = Recording::results_path(&plan.dir);
    let mut results = process::create(&results_path)?;
    // QEMU creates it as well, but only once it has understood its command line.
    process::create(&Recording::console_path(&plan.dir))?;
    // Not in the directory of the recording: the path of a socket has room for a hundred bytes only.
    let sockets = process::scratch_directory()?;
    let qmp = sockets.path().join("qmp");
    let plan = &BootPlan { qmp: Some(qmp.clone()), ..plan.clone() };
    let look = || processors::look(&qmp, &plan.kernel.with_file_name("System.map"));
    let mut seen = Vec::new();
    let command = plan.command();
    std::fs::write(plan.dir.join("qemu.cmdline"), command.quoted() + "\n")
        .map_err(|error| io(&error, "writing", &plan.dir))?;
    let start = Instant::now();
    let mut qemu = command.start(Stdio::null(), Stdio::piped(), process::create(&stderr_path)?.into())?;
    let mut stdout = qemu.take_stdout().ok_or_else(|| Error::new(Blame::Internal, "QEMU has no standard output"))?;

    let (sender, bytes) = mpsc::channel();
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

    let mut phase = Phase { name: "booting".into(), allowed: patience.boot };
    let mut partial = Vec::new();
    let mut heard = Instant::now();
    let mut enough = false;
    let ending = loop {
        if check_interrupt().is_err() {
            break Ending::Interrupted;
        }
        match bytes.recv_timeout(Duration::from_millis(50)) {
            Ok(chunk) => {
                results.write_all(&chunk).map_err(|error| io(&error, "writing", &results_path))?;
                heard = Instant::now();
                partial.extend_from_slice(&chunk);
                while let Some(end) = partial.iter().position(|byte| *byte == b'\n') {
                    let line: Vec<u8> = partial.drain(..=end).collect();
                    if let Ok(line) = serde_json::from_slice::<Line>(&line) {
                        enter(&mut phase, &line.record, patience);
                        if matches!(&line.record, Record::Stop { stuck: true, .. }) {
                            seen = look();
                        }
                        enough |= on_record(&line.record).is_break();
                    }
                }
                if enough {
                    break Ending::Enough;
                }
            }
            Err(RecvTimeoutError::Disconnected) => {
                let status = match qemu.finish() {
                    Err(error) if error.blame == Blame::Interrupt => break Ending::Interrupted,
                    status => status?,
                };
                break match status.success() {
                    true => Ending::Left,
                    // The second Ctrl-C kills it before this loop has seen the first.
                    false if check_interrupt().is_err() => Ending::Interrupted,
                    false => Ending::QemuDied { status: status.to_string(), stderr: last_words(&stderr_path) },
                };
            }
            Err(RecvTimeoutError::Timeout) => {
                let silent = heard.elapsed();
                if silent > phase.allowed {
                    seen = look();
                    break Ending::Stalled { phase: phase.name.clone(), silent_ms: silent.as_millis() as u64 };
                }
            }
        }
    };
    drop(qemu);
    Recording::close(&plan.dir, ending, seen, start.elapsed())
}

fn enter(phase: &mut Phase, record: &Record, patience: Patience) {
    match record {
        Record::Hello { .. } => phase.name = "starting the runner".into(),
        Record::Begin { case, limit_ms } => {
            *phase =
                Phase { name: format!("running {case}"), allowed: Duration::from_millis(*limit_ms) + patience.grace };
        }
        Record::End { .. } => phase.name = "between two cases".into(),
        Record::Count { .. } | Record::Stop { .. } => {
            *phase = Phase { name: "leaving".into(), allowed: patience.leave };
        }
        _ => {}
    }
}

fn last_words(path: &Path) -> String {
    process::tail(&std::fs::read_to_string(path).unwrap_or_default(), 10)
}
