//! From verdicts to findings: one finding is one defect, as far as the evidence shows. Pure.
//!
//! [`symptom`] reduces each bad verdict to what it shows first. [`group()`] groups equal symptoms, orders them by severity,
//! and lists what a finding explains under it. [`phrase`] words a violated clause.

pub mod evidence;
mod group;
mod nature;
mod phrase;
pub mod severity;
mod symptom;

use cases::protocol::CaseKey;
use serde::{Deserialize, Serialize};

pub use group::group;
#[cfg(test)]
pub(crate) use group::tests as samples;
use severity::Severity;

/// One defect.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Finding {
    /// What is wrong, in one sentence.
    pub title: String,
    /// How serious it is.
    pub severity: Severity,
    /// The clause that it violates.
    pub clause: String,
    /// The case with the shortest evidence.
    #[cfg_attr(test, schemars(with = "String"))]
    pub case: CaseKey,
    /// The last steps of that case, up to the one that shows it.
    pub transcript: Vec<String>,
    /// The kernel's complaint, without registers and addresses; empty if there was none.
    pub kernel_log: Vec<String>,
    /// Every case that shows it, in the order of the suite.
    #[cfg_attr(test, schemars(with = "Vec<String>"))]
    pub cases: Vec<CaseKey>,
    /// What else fails of the same clause: a check, and what was seen instead.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<String>,
    /// What it explains: other clauses that fail because of it.
    pub follow_ups: Vec<FollowUp>,
}

impl Finding {
    /// Whether a case shows it, or fails because of it.
    pub fn holds(&self, key: &CaseKey) -> bool {
        self.cases.contains(key) || self.follow_ups.iter().any(|one| one.cases.contains(key))
    }
}

/// A violation that a finding explains.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct FollowUp {
    /// The clause.
    pub clause: String,
    /// What is wrong, in one sentence.
    pub title: String,
    /// The cases that show it.
    #[cfg_attr(test, schemars(with = "Vec<String>"))]
    pub cases: Vec<CaseKey>,
}
