//! Judges what a series declares: hazards that it closes, and controls that it breaks.
//!
//! A declaration is about aliases. What an exporter made read-only has been imported and written to for years, so for such a
//! descriptor a hazard stays a hazard, and a control has to work. What SELinux sees is the same for all descriptors of a buffer, so
//! there a declaration is about all of them.

use cases::case::Case;
use cases::need::Need;
use cases::protocol::CaseKey;
use cases::suite;

use super::Verdict;
use super::sentences::still_there;
use crate::judge::transcript::{CaseRun, TranscriptStep};
use crate::patch::series::claims::Claims;

/// The claims that apply to one run of a case.
#[derive(Clone, Copy, Debug)]
pub(super) struct Claimed<'a> {
    case: &'static Case,
    claims: Option<&'a Claims>,
}

impl<'a> Claimed<'a> {
    /// Those of a series for this run.
    pub(super) fn of(case: &'static Case, key: &CaseKey, claims: &'a Claims) -> Self {
        let needs = suite::find(key).map(|(case, on)| case.needs_on(on)).unwrap_or_default();
        let concerned = [Need::Derive, Need::Selinux].iter().any(|need| needs.contains(need));
        Claimed { case, claims: Some(claims).filter(|claims| concerned && !claims.is_empty()) }
    }

    /// Whether the hazard of the case is declared closed, so that the case is judged as contract.
    pub(super) fn closes(self) -> bool {
        self.claims.is_some_and(|claims| claims.closes(self.case.clause))
    }

    /// For a check that is a control which the series declares broken, whether it holds.
    fn control(self, step: &TranscriptStep) -> Option<bool> {
        let TranscriptStep::Check { holds, clause, .. } = step else { return None };
        let about = clause.as_deref().unwrap_or(self.case.clause);
        self.claims.filter(|claims| claims.breaks(about)).map(|_| *holds)
    }

    /// What the failed checks say, without controls that the series declares broken.
    pub(super) fn failed_checks(self, run: &CaseRun) -> Vec<String> {
        run.steps.iter().filter(|step| self.control(step).is_none()).filter_map(failed).collect()
    }

    /// The hazards that are there although they are declared closed, one sentence for each.
    pub(super) fn open(self, run: &CaseRun) -> Vec<String> {
        let open = |step: &TranscriptStep| match step {
            TranscriptStep::Hazard { sentence, present: true } => Some(still_there(sentence)),
            _ => None,
        };
        if self.closes() { run.steps.iter().filter_map(open).collect() } else { Vec::new() }
    }

    /// The verdict on the controls that the series declares broken; None if the case has none.
    pub(super) fn verdict(self, run: &CaseRun) -> Option<Verdict> {
        let controls: Vec<&TranscriptStep> = run.steps.iter().filter(|step| self.control(step).is_some()).collect();
        if controls.is_empty() {
            return None;
        }
        let reasons: Vec<String> = controls.into_iter().filter_map(failed).collect();
        Some(if reasons.is_empty() { Verdict::Unbroken } else { Verdict::Breaks { reasons } })
    }
}

/// What a failed check says.
fn failed(step: &TranscriptStep) -> Option<String> {
    match step {
        TranscriptStep::Check { sentence, holds: false, detail, .. } => Some(format!("{sentence}: {detail}")),
        _ => None,
    }
}
