//! What is left of a guest: raw bytes and how it ended. Everything after this is pure, so any run can be judged again.

use std::fs;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::{Blame, Context, Result, io};

/// How a guest ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ending {
    /// The kernel restarted the machine, which ends QEMU with status 0. A panic ends the same way.
    Left,
    /// QEMU itself ended with another status, or was killed from outside.
    QemuDied {
        /// How it ended.
        status: String,
        /// The last lines it printed.
        stderr: String,
    },
    /// Nothing came for longer than is allowed in this phase.
    Stalled {
        /// What was going on.
        phase: String,
        /// How long nothing came, in milliseconds.
        silent_ms: u64,
    },
    /// Ctrl-C.
    Interrupted,
    /// The host ended it: nothing more was wanted of it.
    Enough,
}

/// The raw material of one guest.
#[derive(Clone, Debug, PartialEq)]
pub struct Recording {
    /// Bytes of the console.
    pub console: Vec<u8>,
    /// Bytes of the result channel.
    pub results: Vec<u8>,
    /// How it ended.
    pub ending: Ending,
    /// Where the processors were when the guest was stuck; empty when it never was.
    pub processors: Vec<String>,
    /// From the start of QEMU to its end.
    pub took: Duration,
}

/// File names inside a directory of recordings.
const CONSOLE: &str = "console.log";
const RESULTS: &str = "results.jsonl";
const ENDING: &str = "ending.json";

#[derive(Serialize, Deserialize)]
struct EndingFile {
    ending: Ending,
    #[serde(default)]
    processors: Vec<String>,
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
    /// [`Blame::Host`].
    pub fn close(dir: &Path, ending: Ending, processors: Vec<String>, took: Duration) -> Result<Recording> {
        let file = EndingFile { ending, processors, took_ms: took.as_millis() as u64 };
        let text = serde_json::to_string_pretty(&file).context(Blame::Internal, || "encoding an ending".into())?;
        fs::write(dir.join(ENDING), text + "\n").map_err(|error| io(&error, "writing", &dir.join(ENDING)))?;
        Self::load(dir)
    }

    /// Reads a recording back.
    ///
    /// # Errors
    /// [`Blame::Host`] when a file is missing, [`Blame::Internal`] when the ending cannot be read.
    pub fn load(dir: &Path) -> Result<Recording> {
        let read = |name: &str| fs::read(dir.join(name)).map_err(|error| io(&error, "reading", &dir.join(name)));
        let file: EndingFile = serde_json::from_slice(&read(ENDING)?)
            .context(Blame::Internal, || format!("{} is no ending", dir.join(ENDING).display()))?;
        Ok(Recording {
            console: read(CONSOLE)?,
            results: read(RESULTS)?,
            ending: file.ending,
            processors: file.processors,
            took: Duration::from_millis(file.took_ms),
        })
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
        let ending = Ending::QemuDied { status: "signal 9".into(), stderr: String::new() };
        let written =
            Recording::close(dir.path(), ending, vec!["CPU 0: idle".into()], Duration::from_millis(1500)).unwrap();
        assert_eq!(Recording::load(dir.path()).unwrap(), written);
    }
}
