//! The recording of one guest, parsed.

use std::path::Path;

use cases::protocol::CaseKey;
use serde::{Deserialize, Serialize};

use crate::error::{Context, ErrorKind, Result, io};
use crate::guest::recording::{GuestEnd, Recording};
use crate::judge::transcript::Transcript;

/// A session stops after this many guests in a row that ran at most two cases each. Then the kernel is broken for every case,
/// and each further case would cost a boot.
pub const FUTILE_GUESTS: usize = 12;

/// The recording of one guest, parsed.
#[derive(Debug)]
pub struct GuestRun {
    /// The raw recording.
    pub recording: Recording,
    /// The parsed records.
    pub transcript: Transcript,
    /// The cases that it was asked to run.
    pub planned: Vec<CaseKey>,
    /// Why the session stopped after this guest, if it did.
    pub halt: Option<StopReason>,
}

/// Why a session stopped before the end of its plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StopReason {
    /// Ctrl-C.
    Interrupted,
    /// A verdict was unexpected, with --fail-fast.
    FailFast,
    /// [`FUTILE_GUESTS`] guests in a row ran at most two cases each.
    Futile,
    /// The maximum number of guests was reached.
    Enough,
}

impl StopReason {
    /// The reason for a report.
    pub fn reason(self) -> String {
        match self {
            StopReason::Interrupted => "interrupted".into(),
            StopReason::Enough => "the maximum number of guests was reached".into(),
            StopReason::FailFast => "stopped at the first unexpected verdict".into(),
            StopReason::Futile => {
                format!("stopped: {FUTILE_GUESTS} guests in a row ran at most two cases each")
            }
        }
    }
}

/// The file with the plan of a guest.
const PLANNED: &str = "planned.json";

#[derive(Serialize, Deserialize)]
struct PlannedFile {
    planned: Vec<CaseKey>,
    halt: Option<StopReason>,
}

impl GuestRun {
    /// Parses a recording.
    pub fn new(recording: Recording, planned: Vec<CaseKey>, halt: Option<StopReason>) -> Self {
        let transcript = Transcript::parse(&recording.results);
        GuestRun { recording, transcript, planned, halt }
    }

    /// Writes the plan beside the recording.
    ///
    /// # Errors
    /// [`ErrorKind::Host`] when it cannot be written.
    pub fn save(&self, dir: &Path) -> Result<()> {
        let file = PlannedFile { planned: self.planned.clone(), halt: self.halt };
        let text = serde_json::to_string_pretty(&file).context(ErrorKind::Internal, || "encoding a plan".into())?;
        std::fs::write(dir.join(PLANNED), text + "\n").map_err(|error| io(&error, "writing", &dir.join(PLANNED)))
    }

    /// Loads the recording of a guest from `dir`.
    ///
    /// # Errors
    /// [`ErrorKind::Host`] when a file is missing, [`ErrorKind::Internal`] when one is invalid.
    pub fn load(dir: &Path) -> Result<GuestRun> {
        let path = dir.join(PLANNED);
        let bytes = std::fs::read(&path).map_err(|error| io(&error, "reading", &path))?;
        let PlannedFile { planned, halt } = serde_json::from_slice(&bytes)
            .context(ErrorKind::Internal, || format!("{} is not a plan", path.display()))?;
        Ok(GuestRun::new(Recording::load(dir)?, planned, halt))
    }

    /// Whether this guest was ended on purpose and another one continues with the plan.
    pub fn is_continued(&self) -> bool {
        self.recording.ending == GuestEnd::Enough && self.halt.is_none()
    }

    /// The case that had just begun when this guest was ended so that another one goes on with it. None if no planned case has
    /// ended in this guest: without progress, another guest would only repeat it.
    pub fn handed_on(&self) -> Option<&CaseKey> {
        let ended = self.transcript.cases.iter().any(|run| run.outcome.is_some() && self.planned.contains(&run.key));
        self.transcript.unfinished().filter(|_| self.is_continued() && ended).map(|run| &run.key)
    }

    /// The cases that began, in order.
    pub fn begun(&self) -> Vec<CaseKey> {
        self.transcript.cases.iter().map(|case| case.key.clone()).collect()
    }
}
