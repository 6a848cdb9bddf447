//! What is left of a guest: raw bytes and how it ended. Everything after this is pure, so any run can be judged again.

use std::fmt;
use std::fs;
use std::path::Path;
use std::time::Duration;

use cases::protocol::CaseKey;
use serde::{Deserialize, Serialize};

use crate::error::{Context, ErrorKind, Result, io};

/// How a guest ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GuestEnd {
    /// The kernel restarted the machine, which ends QEMU with status 0. A panic ends the same way.
    Left,
    /// QEMU itself ended with another status, or was killed from outside.
    QemuDied {
        /// How it ended.
        status: String,
        /// The last lines it printed.
        stderr: String,
    },
    /// A phase took longer than it may.
    Stalled {
        /// Which one.
        phase: Phase,
        /// Milliseconds without progress, by the measure of the phase.
        silent_ms: u64,
    },
    /// The guest would have filled the host's disk.
    Flooded {
        /// Where.
        outlet: Outlet,
        /// How much was allowed, in MiB.
        mib: u64,
        /// What was going on.
        phase: Phase,
    },
    /// The runner said that a process is stuck inside the kernel, and the host ended the guest after a look at it.
    Dismissed,
    /// Ctrl-C.
    Interrupted,
    /// The host ended it: nothing more was wanted of it.
    Enough,
}

/// What a guest is doing, as far as the host can tell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// From the start of QEMU to the first byte on the console.
    Firmware,
    /// From there to the runner's hello.
    Kernel,
    /// The whole way to the plan, where the kernel says something again and again but never gets there.
    Boot,
    /// From hello to the plan.
    Runner,
    /// Inside a case.
    Case {
        /// Which one.
        case: CaseKey,
        /// What the guest allows it, in milliseconds.
        limit_ms: u64,
    },
    /// From the plan to the first case: the runner looks what the kernel has.
    Probing,
    /// From the end of one case to the next.
    Between,
    /// After the last record.
    Leaving,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Phase::Firmware | Phase::Kernel | Phase::Boot => f.write_str("booting"),
            Phase::Runner => f.write_str("starting the runner"),
            Phase::Case { case, .. } => write!(f, "running {case}"),
            Phase::Probing => f.write_str("probing what the kernel has, before the first case"),
            Phase::Between => f.write_str("between two cases"),
            Phase::Leaving => f.write_str("leaving"),
        }
    }
}

/// Where a guest's words come out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outlet {
    /// The kernel's console.
    Console,
    /// The result channel.
    Channel,
}

impl fmt::Display for Outlet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Outlet::Console => "console",
            Outlet::Channel => "result channel",
        })
    }
}

/// The kernel's stack of one processor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stack {
    /// The processor.
    pub cpu: usize,
    /// Functions, innermost first.
    pub frames: Vec<String>,
}

/// What the host found out about a guest that hung.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Findings {
    /// Where each processor was, in a sentence; empty when it was not looked at or QEMU did not answer.
    #[serde(default)]
    pub processors: Vec<String>,
    /// The stacks at the last look.
    #[serde(default)]
    pub stacks: Vec<Stack>,
    /// How long the console was when the kernel was asked for its tasks: what follows is its answer and no complaint.
    #[serde(default)]
    pub asked_at: Option<usize>,
}

impl GuestEnd {
    /// Whether this program ended the guest by choice, and not because of anything that it did.
    pub fn is_by_choice(&self) -> bool {
        matches!(self, GuestEnd::Interrupted | GuestEnd::Enough)
    }
}

/// The raw material of one guest.
#[derive(Clone, Debug, PartialEq)]
pub struct Recording {
    /// Bytes of the console.
    pub console: Vec<u8>,
    /// Bytes of the result channel.
    pub results: Vec<u8>,
    /// How it ended.
    pub ending: GuestEnd,
    /// What was found out when the guest was stuck.
    pub findings: Findings,
    /// From the start of QEMU to its end.
    pub took: Duration,
}

/// File names inside a directory of recordings.
const CONSOLE: &str = "console.log";
const RESULTS: &str = "results.jsonl";
const ENDING: &str = "ending.json";

#[derive(Serialize, Deserialize)]
struct EndingFile {
    ending: GuestEnd,
    #[serde(flatten)]
    findings: Findings,
    took_ms: u64,
}

impl Recording {
    /// Where the console of the guest in `dir` goes while it runs.
    pub fn console_path(dir: &Path) -> std::path::PathBuf {
        dir.join(CONSOLE)
    }

    /// Where its results go.
    pub fn results_path(dir: &Path) -> std::path::PathBuf {
        dir.join(RESULTS)
    }

    /// Writes how it ended, beside the two files that were written while it ran.
    ///
    /// # Errors
    /// [`ErrorKind::Host`].
    pub fn close(dir: &Path, ending: GuestEnd, findings: Findings, took: Duration) -> Result<Recording> {
        let file = EndingFile { ending, findings, took_ms: took.as_millis() as u64 };
        let text = serde_json::to_string_pretty(&file).context(ErrorKind::Internal, || "encoding an ending".into())?;
        fs::write(dir.join(ENDING), text + "\n").map_err(|error| io(&error, "writing", &dir.join(ENDING)))?;
        Self::load(dir)
    }

    /// Reads a recording back.
    ///
    /// # Errors
    /// [`ErrorKind::Host`] when a file is missing, [`ErrorKind::Internal`] when the ending cannot be read.
    pub fn load(dir: &Path) -> Result<Recording> {
        let read = |name: &str| fs::read(dir.join(name)).map_err(|error| io(&error, "reading", &dir.join(name)));
        let file: EndingFile = serde_json::from_slice(&read(ENDING)?)
            .context(ErrorKind::Internal, || format!("{} is no ending", dir.join(ENDING).display()))?;
        Ok(Recording {
            console: read(CONSOLE)?,
            results: read(RESULTS)?,
            ending: file.ending,
            findings: file.findings,
            took: Duration::from_millis(file.took_ms),
        })
    }

    /// What the kernel said before the host asked it anything.
    pub fn unasked(&self) -> &[u8] {
        &self.console[..self.asked_at()]
    }

    /// What it said after that.
    pub fn answer(&self) -> &[u8] {
        &self.console[self.asked_at()..]
    }

    fn asked_at(&self) -> usize {
        let len = self.console.len();
        self.findings.asked_at.map_or(len, |at| at.min(len))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recording_comes_back_as_it_was() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(Recording::console_path(dir.path()), b"\xff console").unwrap();
        fs::write(Recording::results_path(dir.path()), b"{}").unwrap();
        let ending = GuestEnd::QemuDied { status: "signal 9".into(), stderr: String::new() };
        let stack = Stack { cpu: 1, frames: vec!["leaf".into(), "outer".into()] };
        let findings = Findings { processors: vec!["x".into()], stacks: vec![stack], asked_at: Some(2) };
        let written = Recording::close(dir.path(), ending, findings, Duration::from_millis(1500)).unwrap();
        assert_eq!(Recording::load(dir.path()).unwrap(), written);
        assert_eq!((written.unasked(), written.answer()), (&b"\xff "[..], &b"console"[..]));
    }

    #[test]
    fn a_recording_from_before_there_were_findings_is_read() {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in [(CONSOLE, ""), (RESULTS, ""), (ENDING, r#"{"ending": "left", "took_ms": 5}"#)] {
            fs::write(dir.path().join(name), text).unwrap();
        }
        assert_eq!(Recording::load(dir.path()).unwrap().findings, Findings::default());
    }
}
