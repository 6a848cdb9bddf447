//! The kernel's own selftests: run one after the other and reported.
//!
//! They are reported with the same records as cases, so that the host handles them in the same way: each line of output
//! is a note, the end of a program is a call, and its outcome is the meaning of the exit status in
//! tools/testing/selftests/kselftest.h.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::unistd::Pid;

use crate::channel::Channel;
use crate::counts;
use crate::kernel_log::KernelLog;
use crate::protocol::{CaseKey, Outcome, Record, begin_mark};
use crate::uapi::process::{self, ChildStatus, KillScope};

/// Their directory in the initramfs.
pub const DIR: &str = "/upstream";
/// The exporter in their keys: they choose their exporters themselves.
const EXPORTER: &str = "upstream";
/// Time limit of a program on a machine that boots in one second. One program clears two gigabytes twice.
const LIMIT: Duration = Duration::from_secs(60);
/// `KSFT_SKIP`.
const SKIPPED: i32 = 4;
/// Maximum number of reported lines of one program.
const LINES: usize = 2000;

/// The key under which a program is reported.
pub fn key(name: &str) -> CaseKey {
    CaseKey::new(&format!("kselftest/{name}"), EXPORTER)
}

/// Whether this guest runs such programs instead of cases.
pub fn is_planned() -> bool {
    Path::new(DIR).is_dir()
}

/// Runs all of them and returns how many. `boot` is the guest's boot time.
pub fn run(channel: &Channel, boot: Duration) -> usize {
    let entries = fs::read_dir(DIR).into_iter().flatten().filter_map(Result::ok);
    let mut names: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    channel.send(Record::Plan { cases: names.iter().map(|name| key(name)).collect() });
    let limit = LIMIT.mul_f64(boot.as_secs_f64().clamp(1.0, 30.0));
    let mut log = KernelLog::open().ok();
    for name in &names {
        let case = key(name);
        if let Some(log) = &log {
            log.mark(&begin_mark(&case));
        }
        channel.send(Record::Begin { case: case.clone(), limit_ms: limit.as_millis() as u64 });
        let start = Instant::now();
        let outcome = one(channel, name, limit);
        channel.complaints(&log.as_mut().map(KernelLog::complaints).unwrap_or_default());
        channel.send(Record::End { case, outcome, ms: start.elapsed().as_millis() as u64 });
    }
    counts::send(channel);
    names.len()
}

fn one(channel: &Channel, name: &str, limit: Duration) -> Outcome {
    // A file, not a pipe: it need not be read while the program runs.
    let said = format!("/tmp/{name}.said");
    let ending = start(name, &said).and_then(|pid| {
        let reaped =
            process::wait_and_reap(pid, limit, KillScope::Everything, || {}).map_err(|errno| errno.to_string())?;
        Ok(reaped.ending)
    });
    let text = fs::read(&said).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let total = text.lines().count();
    text.lines().take(LINES).for_each(|line| channel.send(Record::Note { text: line.into() }));
    if total > LINES {
        channel.send(Record::Note { text: format!("and {} more lines", total - LINES) });
    }
    let _ = fs::remove_file(&said);
    let (how, outcome) = match ending {
        Ok(ChildStatus::Exited(0)) => ("exit status 0".into(), Outcome::Pass),
        Ok(ChildStatus::Exited(SKIPPED)) => {
            let why = format!("exit status {SKIPPED}");
            (why.clone(), Outcome::Skip { need: "a requirement of the test".into(), why })
        }
        Ok(ChildStatus::Exited(status)) => (format!("exit status {status}"), Outcome::Fail),
        Ok(ChildStatus::Signalled(signal)) => (signal.to_string(), Outcome::Killed { signal: signal.to_string() }),
        Ok(ChildStatus::TimedOut | ChildStatus::Stuck) => {
            (format!("not finished within {} seconds", limit.as_secs()), Outcome::TimedOut)
        }
        Err(why) => (why.clone(), Outcome::Broken { why }),
    };
    channel.send(Record::Call { text: format!("{name} ends") });
    channel.send(Record::Return { text: how });
    outcome
}

/// Standard output and standard error go to one file, in the order of writing.
fn start(name: &str, said: &str) -> Result<Pid, String> {
    let file = File::create(said).map_err(|error| format!("{said}: {error}"))?;
    let other = file.try_clone().map_err(|error| format!("{said}: {error}"))?;
    let program = Path::new(DIR).join(name);
    let child = Command::new(&program).current_dir("/tmp").stdin(Stdio::null()).stdout(file).stderr(other).spawn();
    let child = child.map_err(|error| format!("{}: {error}", program.display()))?;
    Ok(Pid::from_raw(child.id() as i32))
}
