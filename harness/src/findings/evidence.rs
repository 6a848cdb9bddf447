//! The shortest evidence of a finding.

use crate::findings::symptom::violation;
use crate::judge::complaint::{Complaint, is_noise};
use crate::judge::transcript::{CaseRun, TranscriptStep, step_text};
use crate::judge::verdict::CaseVerdict;

/// Maximum number of steps shown before the one that shows the defect.
const BEFORE: usize = 6;
/// Maximum number of lines shown of the kernel log.
const LOG: usize = 14;

/// The number of steps of a case up to the one that shows the defect.
pub(super) fn steps_to_it(verdict: &CaseVerdict) -> usize {
    verdict.run.as_ref().map_or(usize::MAX, |run| focus(verdict, run) + 1)
}

/// The steps of a case up to the one that shows the defect, without checks that hold.
pub(super) fn transcript(verdict: &CaseVerdict) -> Vec<String> {
    let Some(run) = &verdict.run else { return Vec::new() };
    let holds = |step: &&TranscriptStep| matches!(step, TranscriptStep::Check { holds: true, .. });
    let steps = run.steps.iter().take(focus(verdict, run) + 1).filter(|step| !holds(step));
    let lines: Vec<String> = steps.map(step_text).collect();
    lines[lines.len().saturating_sub(BEFORE + 1)..].to_vec()
}

/// The lines of the kernel log about it.
pub(super) fn kernel_log(verdict: &CaseVerdict) -> Vec<String> {
    let first: Option<&Complaint> = verdict.complaints.iter().find(|complaint| complaint.suppressed.is_none());
    let lines = first.iter().flat_map(|complaint| &complaint.lines).filter(|line| !is_noise(line));
    lines.take(LOG).cloned().collect()
}

/// The step that failed first, or else the last one.
fn focus(verdict: &CaseVerdict, run: &CaseRun) -> usize {
    run.steps.iter().position(|step| violation(verdict, step).is_some()).unwrap_or(run.steps.len().saturating_sub(1))
}
