//! The first symptom of a bad verdict.

use std::sync::LazyLock;

use regex::Regex;

use super::phrase::phrase;
use super::severity::Severity;
use crate::judge::complaint::Complaint;
use crate::judge::transcript::TranscriptStep;
use crate::judge::verdict::{CaseVerdict, LEFT_BEHIND, Verdict};

/// The first symptom of a bad verdict, in a form that is the same on every exporter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Symptom {
    /// Symptoms with the same key belong to one defect.
    pub key: Key,
    pub severity: Severity,
    pub title: String,
}

/// What distinguishes symptoms.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    /// The kernel complained: the kind of damage and the function at fault.
    Complaint(Severity, String),
    /// Checks of this clause failed.
    Clause(String),
    /// Resources of these kinds stay behind.
    Left(String),
    /// The case hung, or its guest was lost, in this step.
    Stuck(String),
}

impl Symptom {
    /// The symptom of a verdict that says that something is wrong with the kernel; None for other verdicts.
    pub fn of(verdict: &CaseVerdict) -> Option<Self> {
        let reasons = match &verdict.verdict {
            Verdict::Failed { reasons } => reasons,
            Verdict::Lost { begun: true, how } => {
                let step = verdict.run.as_ref().and_then(|run| run.open_step()).unwrap_or("no step").to_string();
                let title = format!("The guest is lost: {how}");
                return Some(Symptom { key: Key::Stuck(plain(&step)), severity: Severity::Hang, title });
            }
            _ => return None,
        };
        let complaint = verdict.complaints.iter().filter(|complaint| complaint.suppressed.is_none());
        let complaint = complaint.min_by_key(|complaint| Severity::of_complaint(complaint.kind));
        let check = first_failed(verdict);
        match (complaint, check) {
            (Some(complaint), None) => Some(complained(complaint)),
            // A failed check of the same case rarely explains a complaint about memory.
            (Some(complaint), _) if Severity::of_complaint(complaint.kind) == Severity::MemoryCorruption => {
                Some(complained(complaint))
            }
            (_, Some((sentence, detail))) => Some(Symptom {
                key: Key::Clause(verdict.clause.clone()),
                severity: Severity::of_clause(&verdict.clause),
                title: format!("{}: {}: {}", phrase(&verdict.clause), plain(sentence), detail),
            }),
            (None, None) => reasons.first().map(|reason| without_check(verdict, reason)),
        }
    }
}

fn first_failed(verdict: &CaseVerdict) -> Option<(&str, &str)> {
    verdict.run.as_ref()?.steps.iter().find_map(|step| match step {
        TranscriptStep::Check { sentence, holds: false, detail } => Some((sentence.as_str(), detail.as_str())),
        _ => None,
    })
}

fn complained(complaint: &Complaint) -> Symptom {
    let severity = Severity::of_complaint(complaint.kind);
    let place = complaint.frame.clone().or_else(|| complaint.trace.first().cloned());
    let at = place.as_ref().map(|name| format!(" in {name}()")).unwrap_or_default();
    let title = format!("The kernel complains{at}{}: {}", complaint.moment.words(), complaint.title);
    Symptom { key: Key::Complaint(severity, place.unwrap_or_else(|| complaint.title.clone())), severity, title }
}

/// A case whose checks held, or that was ended.
fn without_check(verdict: &CaseVerdict, reason: &str) -> Symptom {
    match reason.strip_prefix(LEFT_BEHIND) {
        Some(what) => {
            let kinds: Vec<&str> =
                what.trim_start_matches(": ").split("; ").filter_map(|one| one.split(':').next()).collect();
            let title = format!("Something is left behind in the kernel{what}");
            Symptom {
                key: Key::Left(kinds.first().copied().unwrap_or_default().into()),
                severity: Severity::Leak,
                title,
            }
        }
        None => {
            let step = verdict.run.as_ref().and_then(|run| run.open_step()).unwrap_or("no step").to_string();
            let title = format!("{}: {reason}", phrase(&verdict.clause));
            Symptom { key: Key::Stuck(plain(&step)), severity: Severity::Hang, title }
        }
    }
}

/// Without what differs between exporters: their names, and how many pages a buffer has.
fn plain(text: &str) -> String {
    static EXPORTER: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"\b(system-heap|udmabuf-list|udmabuf)\b").expect("it is a pattern"));
    EXPORTER.replace_all(text, "exporter").into_owned()
}
