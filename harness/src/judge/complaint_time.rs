//! When the kernel complained, relative to the steps of the case.

use cases::protocol::CaseKey;
use serde::{Deserialize, Serialize};

/// When a complaint came, relative to the steps of its case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum ComplaintTime {
    /// During this call.
    During(String),
    /// Between the previous step and this one.
    Before(String),
    /// After the last step: while the case's process ended, or during deferred work of the kernel.
    AfterLastStep,
    /// Unknown.
    Unknown,
}

impl ComplaintTime {
    /// Text to follow a function's name; empty if unknown.
    pub fn words(&self) -> String {
        match self {
            ComplaintTime::During(step) => format!(" during {step}"),
            ComplaintTime::Before(step) => format!(" before {step}"),
            ComplaintTime::AfterLastStep => " after the last step".into(),
            ComplaintTime::Unknown => String::new(),
        }
    }
}

/// A complaint as the guest noticed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoticedComplaint {
    /// Its number in the kernel log.
    pub number: u64,
    /// Its time stamp in microseconds.
    pub us: u64,
    /// Its first line.
    pub line: String,
    /// The case that was running, or that ended last.
    pub case: Option<CaseKey>,
    /// When it was noticed.
    pub moment: ComplaintTime,
}
