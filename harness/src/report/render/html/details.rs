//! The details of a case, which the page shows on a click.

use std::collections::BTreeMap;

use serde::Serialize;

use super::colour::{Colour, tone};
use crate::judge::complaint::{Complaint, is_noise};
use crate::judge::complaint_time::ComplaintTime;
use crate::judge::transcript::{TranscriptStep, step_text};
use crate::judge::verdict::{CaseVerdict, Verdict};
use crate::report::matrix::problems::why;

/// Maximum number of lines shown of a complaint.
const SPLAT: usize = 60;

/// The part of the page that its script shows on demand.
#[derive(Default, Serialize)]
pub struct Details {
    /// Transcripts, each once.
    texts: Vec<String>,
    pub(super) cases: Vec<DetailsEntry>,
    #[serde(skip)]
    known: BTreeMap<String, usize>,
}

impl Details {
    /// The index of a text.
    pub(super) fn text(&mut self, text: String) -> usize {
        let next = self.texts.len();
        *self.known.entry(text).or_insert_with_key(|text| {
            self.texts.push(text.clone());
            next
        })
    }
}

#[derive(Serialize)]
pub(super) struct DetailsEntry {
    pub(super) claim: String,
    pub(super) judgement: String,
    pub(super) groups: Vec<Group>,
}

/// Runs with the same result of a case.
#[derive(Clone, PartialEq, Serialize)]
pub(super) struct Group {
    #[serde(rename = "where")]
    pub(super) place: String,
    pub(super) word: &'static str,
    pub(super) tone: Colour,
    reasons: Vec<String>,
    diff: String,
    /// Index into the texts; `None` if the case has no transcript.
    text: Option<usize>,
    /// Lines of the transcript during which the kernel complained.
    steps: Vec<String>,
    splats: Vec<Splat>,
    tasks: Vec<String>,
    pub(super) again: String,
}

#[derive(Clone, PartialEq, Serialize)]
struct Splat {
    title: String,
    moment: String,
    log: String,
    starts: Vec<String>,
}

/// The details of one verdict.
pub(super) fn group(verdict: &CaseVerdict, text: Option<usize>) -> Group {
    let mut reasons: Vec<String> = verdict.verdict.sightings().into_iter().collect();
    let mut diff = String::new();
    match verdict.verdict.detailed() {
        Verdict::Failed { reasons: violated } | Verdict::Breaks { reasons: violated } => {
            reasons.extend(violated.iter().cloned());
        }
        Verdict::Differs { diff: text } | Verdict::Recorded { diff: text } => diff = text.clone(),
        Verdict::ExpectedHazard { reason } => reasons.push(reason.clone()),
        Verdict::Skipped { need, why } => reasons.push(format!("skipped because {need} is missing: {why}")),
        Verdict::Lost { begun, how } => {
            let when = if *begun { "while it ran" } else { "before it could start" };
            reasons.push(format!("the guest was lost {when}: {how}"));
        }
        Verdict::NotRun { why } => reasons.push(format!("not run: {why}")),
        Verdict::Blocked { by } => reasons.push(format!("not run: it relies on {by}, which is violated")),
        known @ Verdict::KnownDefect { reasons: violated, .. } => {
            reasons.extend(why(known));
            reasons.extend(violated.iter().cloned());
        }
        said @ (Verdict::UnexpectedSkip { .. }
        | Verdict::Broken { .. }
        | Verdict::HazardGone
        | Verdict::Unbroken
        | Verdict::Unreviewed
        | Verdict::DefectGone { .. }) => reasons.extend(why(said)),
        Verdict::Pass | Verdict::Flaky { .. } => {}
    }
    if let Verdict::Flaky { diff: seen, .. } = &verdict.verdict
        && diff.is_empty()
    {
        diff.clone_from(seen);
    }
    let steps = verdict.run.iter().flat_map(|run| &run.steps);
    let during = |step: &&TranscriptStep| verdict.complaints.iter().any(|complaint| is_during(complaint, step));
    Group {
        place: String::new(),
        word: verdict.verdict.word(),
        tone: tone(&verdict.verdict),
        reasons,
        diff,
        text,
        steps: steps.filter(during).map(step_text).collect(),
        splats: verdict.complaints.iter().map(splat).collect(),
        tasks: verdict.tasks.clone(),
        again: String::new(),
    }
}

fn is_during(complaint: &Complaint, step: &TranscriptStep) -> bool {
    matches!((&complaint.moment, step), (ComplaintTime::During(call), TranscriptStep::Call { text, .. }) if call == text)
}

fn splat(complaint: &Complaint) -> Splat {
    let lines: Vec<&str> =
        complaint.lines.iter().map(String::as_str).filter(|line| !is_noise(line)).take(SPLAT).collect();
    let allowed = complaint.suppressed.as_ref().map(|reason| format!(" (allowed: {reason})")).unwrap_or_default();
    Splat {
        title: complaint.title.clone() + &allowed,
        moment: complaint.moment.words().trim().to_string(),
        log: lines.join("\n"),
        starts: complaint.starts.iter().map(|start| start.line.clone()).collect(),
    }
}
