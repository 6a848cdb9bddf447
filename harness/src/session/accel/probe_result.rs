//! The result of testing KVM, stage by stage.

use serde::{Deserialize, Serialize};

use super::Accel;

/// The stages of the test, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// The device can be opened.
    Device,
    /// A real kernel prints its first byte.
    Guest,
}

/// The result of one stage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageResult {
    /// The stage.
    pub stage: Stage,
    /// Whether it passed.
    pub works: bool,
    /// What was seen, as the end of a sentence.
    #[serde(rename = "said")]
    pub detail: String,
    /// How long it took, in milliseconds.
    pub ms: u64,
}

/// The results of all stages, up to the first one that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeResult {
    /// One for each stage that was run, in order.
    pub findings: Vec<StageResult>,
}

impl ProbeResult {
    /// KVM if it works, else emulation.
    pub fn accel(&self) -> Accel {
        match self.findings.last() {
            Some(StageResult { stage: Stage::Guest, works: true, .. }) => Accel::Kvm,
            _ => Accel::Tcg,
        }
    }

    /// Why, in one line.
    pub fn sentence(&self) -> String {
        match self.findings.last() {
            None => "KVM was not tested".into(),
            Some(StageResult { stage: Stage::Device, works: true, .. }) => {
                "/dev/kvm opens, but no guest was run yet".into()
            }
            Some(StageResult { stage: Stage::Device, detail, .. } | StageResult { works: true, detail, .. }) => {
                detail.clone()
            }
            Some(StageResult { detail, .. }) => format!("/dev/kvm opens, but {detail}"),
        }
    }

    /// Whether all stages that were run passed, but not all were run.
    pub fn ended_early(&self) -> bool {
        self.accel() == Accel::Tcg && self.findings.iter().all(|finding| finding.works)
    }

    /// Whether a guest printed nothing. That may be the kernel's fault, until the kernel boots under emulation.
    pub fn may_be_the_kernels_fault(&self) -> bool {
        matches!(self.findings.last(), Some(StageResult { stage: Stage::Guest, works: false, .. }))
    }

    /// Marks KVM as not working, for a reason that was found later.
    pub fn withdraw(&mut self, detail: &str) {
        if let Some(last) = self.findings.last_mut() {
            last.works = false;
            last.detail = detail.into();
        }
    }
}
