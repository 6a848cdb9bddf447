//! Programs that are not ours, the kernel's own selftests: run one after the other and reported as they are.
//!
//! They are told in the records of cases, so that the host watches over them in the same way: what a program prints is a
//! note for each line, its end a step, its outcome what tools/testing/selftests/kselftest.h says that an exit status means.

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

/// Where the host puts them in the initramfs.
pub const DIR: &str = "/upstream";
/// The exporter in their keys: they choose for themselves what they run on.
const EXPORTER: &str = "upstream";
/// What a program may take on a machine that boots in a second. One clears two gigabytes, twice.
const LIMIT: Duration = Duration::from_secs(60);
/// `KSFT_SKIP`.
const SKIPPED: i32 = 4;
/// Lines of one program that are told.
const LINES: usize = 2000;

/// The key under which a program is reported.
pub fn key(name: &str) -> CaseKey {
    CaseKey::new(&format!("kselftest/{name}"), EXPORTER)
}

/// Whether this guest is to run such programs instead of cases.
pub fn is_planned() -> bool {
    Path::new(DIR).is_dir()
}

/// Runs all there are and gives back how many. `boot` is how long the guest took to come up.
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
    // A file and not a pipe: nobody has to read while the program runs.
    let said = format!("/tmp/{name}.said");
    let ending = start(name, &said).and_then(|pid| {
        let reaped = process::wait_and_reap(pid, limit, KillScope::Everything).map_err(|errno| errno.to_string())?;
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
            (why.clone(), Outcome::Skip { need: "what the test asks for".into(), why })
        }
        Ok(ChildStatus::Exited(status)) => (format!("exit status {status}"), Outcome::Fail),
        Ok(ChildStatus::Signalled(signal)) => (signal.to_string(), Outcome::Killed { signal: signal.to_string() }),
        Ok(ChildStatus::TimedOut | ChildStatus::Stuck) => {
            (format!("not within {} seconds", limit.as_secs()), Outcome::TimedOut)
        }
        Err(why) => (why.clone(), Outcome::Broken { why }),
    };
    channel.send(Record::Call { text: format!("{name} ends") });
    channel.send(Record::Return { text: how });
    outcome
}

/// Both outputs go to one file, in the order in which they are written.
fn start(name: &str, said: &str) -> Result<Pid, String> {
    let file = File::create(said).map_err(|error| format!("{said}: {error}"))?;
    let other = file.try_clone().map_err(|error| format!("{said}: {error}"))?;
    let program = Path::new(DIR).join(name);
    let child = Command::new(&program).current_dir("/tmp").stdin(Stdio::null()).stdout(file).stderr(other).spawn();
    let child = child.map_err(|error| format!("{}: {error}", program.display()))?;
    Ok(Pid::from_raw(child.id() as i32))
}
