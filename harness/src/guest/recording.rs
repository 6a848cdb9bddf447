//! The recording of a guest: raw bytes and how it ended. All later stages are pure, so any run can be judged again.

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
    /// The kernel rebooted the machine, and QEMU exited with status 0. So does a panic.
    Left,
    /// QEMU exited with another status, or was killed.
    QemuDied {
        /// Its exit status.
        status: String,
        /// The last lines of its standard error.
        stderr: String,
    },
    /// The deadline of a phase has passed.
    Stalled {
        /// Which one.
        phase: Phase,
        /// Milliseconds without progress.
        silent_ms: u64,
    },
    /// The guest printed too much.
    Flooded {
        /// Where.
        outlet: GuestOutput,
        /// The limit, in MiB.
        mib: u64,
        /// In which phase.
        phase: Phase,
    },
    /// The runner reported a process that is stuck in the kernel, and the host examined and ended the guest.
    Dismissed,
    /// Ctrl-C.
    Interrupted,
    /// The host ended it because it needed no more cases.
    Enough,
}

/// What a guest is doing, as seen by the host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// From the start of QEMU to the first byte on the console.
    Firmware,
    /// From the first byte on the console to the runner's hello.
    Kernel,
    /// From the start of QEMU to the plan, if the kernel prints but does not get there.
    Boot,
    /// From hello to the plan.
    Runner,
    /// Inside a case.
    Case {
        /// Which one.
        case: CaseKey,
        /// Its limit in the guest, in milliseconds.
        limit_ms: u64,
    },
    /// From the plan to the first case: the runner probes the kernel's features.
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
            Phase::Probing => f.write_str("probing the kernel's features before the first case"),
            Phase::Between => f.write_str("between two cases"),
            Phase::Leaving => f.write_str("leaving"),
        }
    }
}

/// An output of a guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GuestOutput {
    /// The kernel's console.
    Console,
    /// The result channel.
    Channel,
}

impl fmt::Display for GuestOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            GuestOutput::Console => "console",
            GuestOutput::Channel => "result channel",
        })
    }
}

/// The kernel stack of a processor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stack {
    /// The processor.
    pub cpu: usize,
    /// Functions, innermost first.
    pub frames: Vec<String>,
}

/// The results of examining a guest that hangs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Findings {
    /// What each processor was doing, in a sentence. Empty if the guest was not examined or QEMU did not answer.
    #[serde(default)]
    pub processors: Vec<String>,
    /// The stacks in the last sample.
    #[serde(default)]
    pub stacks: Vec<Stack>,
    /// Size of the console when sysrq was sent: what follows is the answer to it and not a complaint.
    #[serde(default)]
    pub asked_at: Option<usize>,
}

impl GuestEnd {
    /// Whether this program ended the guest for a reason that is not in the guest.
    pub fn is_by_choice(&self) -> bool {
        matches!(self, GuestEnd::Interrupted | GuestEnd::Enough)
    }
}

/// The recording of a guest.
#[derive(Clone, Debug, PartialEq)]
pub struct Recording {
    /// Bytes of the console.
    pub console: Vec<u8>,
    /// Bytes of the result channel.
    pub results: Vec<u8>,
    /// How it ended.
    pub ending: GuestEnd,
    /// The results of examining it.
    pub findings: Findings,
    /// Time from the start of QEMU to its end.
    pub took: Duration,
}

/// File names in the directory of a recording.
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
    /// The file of the console.
    pub fn console_path(dir: &Path) -> std::path::PathBuf {
        dir.join(CONSOLE)
    }

    /// The file of the results.
    pub fn results_path(dir: &Path) -> std::path::PathBuf {
        dir.join(RESULTS)
    }

    /// Writes how the guest ended, beside the two files that were written while it ran.
    ///
    /// # Errors
    /// [`ErrorKind::Host`].
    pub fn close(dir: &Path, ending: GuestEnd, findings: Findings, took: Duration) -> Result<Recording> {
        let file = EndingFile { ending, findings, took_ms: took.as_millis() as u64 };
        let text = serde_json::to_string_pretty(&file)
            .context(ErrorKind::Internal, || "encoding how the guest ended".into())?;
        fs::write(dir.join(ENDING), text + "\n").map_err(|error| io(&error, "writing", &dir.join(ENDING)))?;
        Self::load(dir)
    }

    /// Reads a recording back.
    ///
    /// # Errors
    /// [`ErrorKind::Host`] when a file is missing, [`ErrorKind::Internal`] when ending.json is invalid.
    pub fn load(dir: &Path) -> Result<Recording> {
        let read = |name: &str| fs::read(dir.join(name)).map_err(|error| io(&error, "reading", &dir.join(name)));
        let file: EndingFile = serde_json::from_slice(&read(ENDING)?)
            .context(ErrorKind::Internal, || format!("{} is invalid", dir.join(ENDING).display()))?;
        Ok(Recording {
            console: read(CONSOLE)?,
            results: read(RESULTS)?,
            ending: file.ending,
            findings: file.findings,
            took: Duration::from_millis(file.took_ms),
        })
    }

    /// The console up to the sysrq of the host.
    pub fn unasked(&self) -> &[u8] {
        &self.console[..self.asked_at()]
    }

    /// The console after that.
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
    fn a_recording_is_read_back() {
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
    fn an_old_recording_without_findings_is_read() {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in [(CONSOLE, ""), (RESULTS, ""), (ENDING, r#"{"ending": "left", "took_ms": 5}"#)] {
            fs::write(dir.path().join(name), text).unwrap();
        }
        assert_eq!(Recording::load(dir.path()).unwrap().findings, Findings::default());
    }
}
