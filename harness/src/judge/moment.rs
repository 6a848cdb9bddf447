//! When in its case the kernel complained, and what the guest noticed of it.

use cases::protocol::CaseKey;
use serde::{Deserialize, Serialize};

/// When in its case a complaint came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Moment {
    /// While this call was made.
    During(String),
    /// After the step before this one, and before it.
    Before(String),
    /// After the last step: while the case's process ended, or while the kernel did what was put off until then.
    AfterLastStep,
    /// Nobody can tell.
    Unknown,
}

impl Moment {
    /// In words that follow a function's name; nothing where it is unknown.
    pub fn words(&self) -> String {
        match self {
            Moment::During(step) => format!(" during {step}"),
            Moment::Before(step) => format!(" before {step}"),
            Moment::AfterLastStep => " after the last step".into(),
            Moment::Unknown => String::new(),
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
    /// When.
    pub moment: Moment,
}
