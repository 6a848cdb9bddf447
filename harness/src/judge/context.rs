//! What verdicts are based on, apart from what the guest said.

use std::collections::BTreeSet;

use cases::need::Need;

use crate::judge::complaint::suppressions::Suppressions;
use crate::judge::complaint::{self, Complaint, leak, tie};
use crate::judge::expectation::Expectations;
use crate::judge::transcript::Transcript;
use crate::kbuild::image::ImageFacts;
use crate::kernel_range::Release;

/// What a case is judged by, apart from what the guest said.
#[derive(Clone, Debug)]
pub struct JudgeContext {
    /// The needs that the kernel ought to meet.
    pub met: BTreeSet<Need>,
    /// The reviewed transcripts.
    pub expectations: Expectations,
    /// Complaints that are known and do not fail a case.
    pub suppressions: Suppressions,
}

impl JudgeContext {
    /// What the kernel complained about, by its console and by what the guest noticed. Known complaints are marked.
    pub(crate) fn complaints(&self, console: &[u8], transcript: &Transcript) -> Vec<Complaint> {
        let mut complaints = complaint::scan(console);
        tie::tie(&mut complaints, transcript);
        leak::add(&mut complaints, transcript);
        self.suppressions.apply(&mut complaints, transcript.kernel.as_deref().unwrap_or_default());
        complaints
    }
}

/// What a kernel ought to have: what its configuration and its version bring, and the ioctl exactly when its own header
/// defines it.
pub fn needs_met(config: &str, facts: &ImageFacts) -> BTreeSet<Need> {
    let on = |option: &str| config.lines().any(|line| line.strip_prefix(option) == Some("=y"));
    let release = Release::of(&facts.version);
    let new_enough = |since: &str| release >= Release::of(since);
    let met = Need::ALL.iter().copied().filter(|need| match need {
        Need::Derive | Need::DeriveDefined => facts.defines_derive,
        Need::NoDerive => !facts.defines_derive,
        need => need.option().is_none_or(on) && need.since().is_none_or(new_enough),
    });
    met.collect()
}
