//! Complaints of the kernel: reports on the console, cut out, named, and tied to the case and step that was running.
//!
//! [`scan()`] cuts the console into reports, [`title`] and [`frame`] make them readable, [`tie`] finds the step,
//! [`leak`] adds what kmemleak found, [`suppressions`] excuses what is known. What starts a report is decided by [`cases::complaint`], for guest and host alike.

pub mod frame;
pub mod leak;
pub mod line;
pub mod suppressions;
pub mod title;

pub mod scan;
pub mod tie;

use crate::judge::moment::Moment;
use cases::complaint::Kind;
use cases::protocol::CaseKey;
use serde::{Deserialize, Serialize};

pub use scan::scan;

/// One complaint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Complaint {
    /// What it is about.
    #[cfg_attr(test, schemars(with = "String"))]
    pub kind: Kind,
    /// What it says, in a form that is the same in every run: without addresses, offsets, processors, process ids, times.
    #[serde(alias = "headline")]
    pub title: String,
    /// The function at fault, if it names one: not the one that noticed.
    #[serde(alias = "function")]
    pub frame: Option<String>,
    /// The functions of its first stack trace, the innermost first.
    pub trace: Vec<String>,
    /// The case that was running: the one whose begin mark came last before it. Complaints between two cases belong to
    /// the earlier one, which has left the kernel in this state.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub case: Option<CaseKey>,
    /// Where in that case it came.
    pub moment: Moment,
    /// Why it does not fail the case, if it is on the list of suppressions.
    #[serde(alias = "allowed")]
    pub suppressed: Option<String>,
    /// Its lines, as they were on the console, without time stamps.
    pub lines: Vec<String>,
    /// The lines in it that start a complaint. By them the guest's word on when it noticed is found again.
    pub starts: Vec<Start>,
}

/// A line that starts a complaint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Start {
    /// Its time stamp in microseconds.
    pub us: Option<u64>,
    /// What it says.
    pub line: String,
}

impl Complaint {
    /// Whether the kernel did not go on after it.
    pub fn is_fatal(&self) -> bool {
        self.lines.iter().any(|line| line.starts_with("Kernel panic - "))
    }

    /// One sentence for a verdict.
    pub fn sentence(&self, times: usize) -> String {
        let times = if times > 1 { format!(" {times} times") } else { String::new() };
        let function = self.frame.as_ref().map(|name| format!(" in {name}()")).unwrap_or_default();
        format!("the kernel complained{times} ({}){function}{}: {}", self.kind.name(), self.moment.words(), self.title)
    }
}

/// Whether a line of a report helps nobody who reads it in a mail: registers, code bytes, guesses of the unwinder.
pub use frame::is_noise;
