//! What verdicts are based on, apart from what the guest said.

use std::collections::BTreeSet;

use cases::need::Need;

use crate::judge::complaint::allow::AllowList;
use crate::judge::complaint::{self, Complaint, leak, moment};
use crate::judge::expectation::Expectations;
use crate::judge::transcript::Transcript;

/// What a case is judged by, apart from what the guest said.
#[derive(Clone, Copy, Debug)]
pub struct JudgeContext<'a> {
    /// The needs that the kernel ought to meet.
    pub met: &'a BTreeSet<Need>,
    /// The reviewed transcripts.
    pub expectations: &'a Expectations,
    /// Complaints that are no news.
    pub allowed: &'a AllowList,
}

impl JudgeContext<'_> {
    /// What the kernel complained about, by its console and by what the guest noticed, with what is excused marked so.
    pub(crate) fn complaints(self, console: &[u8], transcript: &Transcript) -> Vec<Complaint> {
        let mut complaints = complaint::scan(console);
        moment::tie(&mut complaints, transcript);
        leak::add(&mut complaints, transcript);
        self.allowed.apply(&mut complaints, transcript.kernel.as_deref().unwrap_or_default());
        complaints
    }
}
