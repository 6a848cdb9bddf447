//! What is known about KVM, stage by stage.

use serde::{Deserialize, Serialize};

use super::Accel;

/// The stages, each of which proves more than the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// The device can be opened.
    Device,
    /// A real kernel says its first byte.
    Guest,
}

/// What one stage found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Which one.
    pub stage: Stage,
    /// Whether the next one may begin.
    pub works: bool,
    /// What was seen, as the end of a sentence.
    pub said: String,
    /// How long it took, in milliseconds.
    pub ms: u64,
}

/// What all stages found, up to the first one that does not work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// One for each stage that was tried, in their order.
    pub findings: Vec<Finding>,
}

impl Answer {
    /// What is safe to use.
    pub fn accel(&self) -> Accel {
        match self.findings.last() {
            Some(Finding { stage: Stage::Guest, works: true, .. }) => Accel::Kvm,
            _ => Accel::Tcg,
        }
    }

    /// Why, in one line.
    pub fn sentence(&self) -> String {
        match self.findings.last() {
            None => "KVM was not tried".into(),
            Some(Finding { stage: Stage::Device, works: true, .. }) => {
                "/dev/kvm opens, but no guest was tried yet".into()
            }
            Some(Finding { stage: Stage::Device, said, .. } | Finding { works: true, said, .. }) => said.clone(),
            Some(Finding { said, .. }) => format!("/dev/kvm opens, but {said}"),
        }
    }

    /// Whether everything works that was tried, but that was not all.
    pub fn ended_early(&self) -> bool {
        self.accel() == Accel::Tcg && self.findings.iter().all(|finding| finding.works)
    }

    /// Whether a guest did not say a byte. Its kernel may be to blame, until it comes up under emulation.
    pub fn wants_a_witness(&self) -> bool {
        matches!(self.findings.last(), Some(Finding { stage: Stage::Guest, works: false, .. }))
    }

    /// Turns a yes into a no, for a reason that came up later.
    pub fn withdraw(&mut self, said: &str) {
        if let Some(last) = self.findings.last_mut() {
            last.works = false;
            last.said = said.into();
        }
    }
}
