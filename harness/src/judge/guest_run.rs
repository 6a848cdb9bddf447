//! What one guest contributed to a run.

use std::path::Path;

use cases::protocol::CaseKey;
use serde::{Deserialize, Serialize};

use crate::error::{Context, ErrorKind, Result, io};
use crate::guest::recording::Recording;
use crate::judge::transcript::Transcript;

/// After so many guests in a row that got no further than a second case, a session is given up. Where every case breaks
/// the kernel, as when the first export already leaves a dangling list, the others would only say so again, at a boot
/// each.
pub const FUTILE_GUESTS: usize = 12;

/// What one guest contributed.
#[derive(Debug)]
pub struct GuestRun {
    /// The raw material.
    pub recording: Recording,
    /// What it says, parsed.
    pub transcript: Transcript,
    /// What it was asked to run.
    pub planned: Vec<CaseKey>,
    /// Why no other guest ran what this one left, where that was decided.
    pub halt: Option<Halt>,
}

/// Why a plan was not run to its end although it could have been.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Halt {
    /// Ctrl-C.
    Interrupted,
    /// A verdict was not as expected, and the first such was to be the last.
    FailFast,
    /// Guest after guest got nowhere.
    Futile,
    /// There were as many guests as it was to have.
    Enough,
}

impl Halt {
    /// As a reason in a report.
    pub fn reason(self) -> String {
        match self {
            Halt::Interrupted => "interrupted".into(),
            Halt::Enough => "the guests that it was to have were used up".into(),
            Halt::FailFast => "stopped at the first verdict that was not as expected".into(),
            Halt::Futile => {
                format!("given up: {FUTILE_GUESTS} guests in a row got through no more than two cases each")
            }
        }
    }
}

/// Name of the file that says what a guest was asked to run.
const PLANNED: &str = "planned.json";

#[derive(Serialize, Deserialize)]
struct PlannedFile {
    planned: Vec<CaseKey>,
    halt: Option<Halt>,
}

impl GuestRun {
    /// Parses a recording.
    pub fn new(recording: Recording, planned: Vec<CaseKey>, halt: Option<Halt>) -> Self {
        let transcript = Transcript::parse(&recording.results);
        GuestRun { recording, transcript, planned, halt }
    }

    /// Writes beside the recording what the guest was asked to run.
    ///
    /// # Errors
    /// [`ErrorKind::Host`] when the disk does not take it.
    pub fn save(&self, dir: &Path) -> Result<()> {
        let file = PlannedFile { planned: self.planned.clone(), halt: self.halt };
        let text = serde_json::to_string_pretty(&file).context(ErrorKind::Internal, || "encoding a plan".into())?;
        std::fs::write(dir.join(PLANNED), text + "\n").map_err(|error| io(&error, "writing", &dir.join(PLANNED)))
    }

    /// Reads back what a guest left in `dir`.
    ///
    /// # Errors
    /// [`ErrorKind::Host`] when a file is missing, [`ErrorKind::Internal`] when one cannot be understood.
    pub fn load(dir: &Path) -> Result<GuestRun> {
        let path = dir.join(PLANNED);
        let bytes = std::fs::read(&path).map_err(|error| io(&error, "reading", &path))?;
        let PlannedFile { planned, halt } =
            serde_json::from_slice(&bytes).context(ErrorKind::Internal, || format!("{} is no plan", path.display()))?;
        Ok(GuestRun::new(Recording::load(dir)?, planned, halt))
    }

    /// The cases that began, in order.
    pub fn begun(&self) -> Vec<CaseKey> {
        self.transcript.cases.iter().map(|case| case.key.clone()).collect()
    }
}
