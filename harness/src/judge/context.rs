//! What verdicts depend on besides the output of the guest.

use std::collections::BTreeSet;

use cases::need::Need;

use crate::judge::complaint::suppressions::Suppressions;
use crate::judge::complaint::{self, Complaint, leak, set_times};
use crate::judge::expectation::Expectations;
use crate::judge::transcript::Transcript;
use crate::kbuild::image::ImageFacts;
use crate::kernel_range::Release;
use crate::patch::series::claims::Claims;

/// What verdicts depend on besides the output of the guest.
#[derive(Clone, Debug)]
pub struct JudgeContext {
    /// The needs that the kernel should meet.
    pub met: BTreeSet<Need>,
    /// The reviewed transcripts.
    pub expectations: Expectations,
    /// Known complaints that do not fail a case.
    pub suppressions: Suppressions,
    /// What the series declares: hazards that it closes, controls that it breaks.
    pub claims: Claims,
}

impl JudgeContext {
    /// The complaints of the kernel, from its console and from the records of the guest. Known ones are marked.
    pub(crate) fn complaints(&self, console: &[u8], transcript: &Transcript) -> Vec<Complaint> {
        let mut complaints = complaint::scan(console);
        set_times::set_times(&mut complaints, transcript);
        leak::add(&mut complaints, transcript);
        self.suppressions.apply(&mut complaints, transcript.kernel.as_deref().unwrap_or_default());
        complaints
    }
}

/// The needs that a kernel should meet according to its configuration and version. It should have the ioctl exactly if its
/// header defines it.
pub fn needs_met(config: &str, facts: &ImageFacts) -> BTreeSet<Need> {
    let on = |option: &str| config.lines().any(|line| line.strip_prefix(option) == Some("=y"));
    let release = Release::of(&facts.version);
    let new_enough = |since: &str| release >= Release::of(since);
    let met = Need::ALL.iter().copied().filter(|need| match need {
        Need::Derive | Need::DeriveDefined => facts.defines_derive,
        Need::NoDerive => !facts.defines_derive,
        Need::ListMutex => facts.list_mutex,
        need => need.option().is_none_or(on) && need.since().is_none_or(new_enough),
    });
    met.collect()
}
