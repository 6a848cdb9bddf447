//! Complaints of the kernel: finds reports on the console, and the case and step that was running.
//!
//! [`scan()`] cuts the console into reports, [`title`] and [`frame`] name them, [`set_times`] finds the step, [`leak`] adds what
//! kmemleak found, [`suppressions`] marks known ones. [`cases::complaint`] decides for guest and host what starts a report.

pub mod foreign;
pub mod frame;
pub mod leak;
pub mod line;
pub mod suppressions;
pub mod title;

pub mod scan;
pub mod set_times;

use crate::judge::complaint_time::ComplaintTime;
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
    /// Its message without addresses, offsets, processors, process ids and times, so that it is the same in every run.
    #[serde(alias = "headline")]
    pub title: String,
    /// The function at fault, if it names one; not the function that detected the fault.
    #[serde(alias = "function")]
    pub frame: Option<String>,
    /// The functions of its first stack trace, the innermost first.
    pub trace: Vec<String>,
    /// The case that was running: the one with the last begin mark before the complaint. A complaint between two cases
    /// belongs to the earlier one.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub case: Option<CaseKey>,
    /// When in that case it came.
    pub moment: ComplaintTime,
    /// The reason of the suppression, if there is one; then it does not fail the case.
    #[serde(alias = "allowed")]
    pub suppressed: Option<String>,
    /// Its lines from the console, without time stamps.
    pub lines: Vec<String>,
    /// The lines in it that start a complaint. They are compared with the complaints that the guest noticed.
    pub starts: Vec<Start>,
}

/// A line that starts a complaint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Start {
    /// Its time stamp in microseconds.
    pub us: Option<u64>,
    /// Its text.
    pub line: String,
}

impl Complaint {
    /// Whether the kernel stopped after it.
    pub fn is_fatal(&self) -> bool {
        self.lines.iter().any(|line| line.starts_with("Kernel panic - "))
    }

    /// Whether it is about a damaged list, and not the one that a fence has of its callbacks.
    pub fn is_about_a_list(&self) -> bool {
        let of_a_fence = self.frame.as_ref().is_some_and(|name| name.starts_with("dma_fence_"));
        self.kind == Kind::ListCorruption && !of_a_fence
    }

    /// One sentence for a verdict.
    pub fn sentence(&self, times: usize) -> String {
        let times = if times > 1 { format!(" {times} times") } else { String::new() };
        let function = self.frame.as_ref().map(|name| format!(" in {name}()")).unwrap_or_default();
        format!("the kernel complained{times} ({}){function}{}: {}", self.kind.name(), self.moment.words(), self.title)
    }
}

/// Whether reports omit this line: registers, code bytes, guesses of the unwinder.
pub use frame::is_noise;
