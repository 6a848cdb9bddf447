//! The symptoms of a bad verdict.

use std::sync::LazyLock;

use cases::case::Judgement;
use cases::complaint::Kind;
use regex::Regex;

use super::nature::Nature;
use super::phrase::phrase;
use super::severity::Severity;
use crate::judge::complaint::Complaint;
use crate::judge::complaint_time::ComplaintTime;
use crate::judge::repeated;
use crate::judge::transcript::{TranscriptStep, step_words};
use crate::judge::verdict::{CaseVerdict, LEFT_BEHIND, STILL_THERE, Verdict, kinds_left};

/// A symptom of a bad verdict, in a form that is the same on every exporter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Symptom {
    /// Symptoms with the same key belong to one defect.
    pub key: Key,
    pub severity: Severity,
    pub title: String,
    /// What the kernel complained about.
    pub damage: Option<Damage>,
    /// The failed checks.
    pub checks: Vec<FailedCheck>,
}

/// A check that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FailedCheck {
    /// What it asks for, and what was seen instead.
    pub text: String,
    /// What it saw.
    pub nature: Nature,
}

/// What a complaint of the kernel is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Damage {
    /// A list.
    List,
    /// Locks and contexts, which a race or a deadlock follows from.
    Locks,
    /// Memory that is free, or its count of references.
    Freed,
    /// Anything else.
    Other,
}

impl Damage {
    fn of(complaint: &Complaint) -> Self {
        let says = |words: &str| complaint.title.contains(words);
        match complaint.kind {
            _ if complaint.is_about_a_list() || says("in __list_") => Damage::List,
            Kind::Lockdep
            | Kind::WaitContext
            | Kind::RcuUsage
            | Kind::SleepInAtomic
            | Kind::ScheduleInAtomic
            | Kind::Kcsan => Damage::Locks,
            _ if says("use-after-free") || says("reference count") => Damage::Freed,
            _ => Damage::Other,
        }
    }
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
    /// The process of the case was killed by this signal.
    Killed(&'static str),
}

impl Symptom {
    /// What a verdict shows that is wrong with the kernel, the most serious first; empty if nothing is. A case that fails for one
    /// reason may show another defect too, so all are returned, except what may be a consequence of damage that came before it.
    pub fn all_of(verdict: &CaseVerdict) -> Vec<Self> {
        let reasons = match &verdict.verdict {
            Verdict::Failed { reasons } => reasons,
            Verdict::Lost { begun: true, how } => {
                let step = verdict.run.as_ref().and_then(|run| run.open_step()).unwrap_or("no step").to_string();
                let title = format!("The guest is lost: {how}");
                return vec![Symptom::new(Key::Stuck(plain(&step)), Severity::Hang, title)];
            }
            _ => return Vec::new(),
        };
        let complaints: Vec<&Complaint> =
            verdict.complaints.iter().filter(|complaint| complaint.suppressed.is_none()).collect();
        let severity = |complaint: &&Complaint| Severity::of_complaint(complaint.kind);
        // A list that is damaged tells more than what else goes wrong with its entries.
        let worst = complaints.iter().copied().min_by_key(|one| (severity(one), one.kind != Kind::ListCorruption));
        let mut symptoms: Vec<Symptom> = worst.map(complained).into_iter().collect();
        let first = |list: bool| {
            let damage = complaints.iter().filter(|one| severity(one) == Severity::MemoryCorruption);
            let damage = damage.filter(|one| (one.kind == Kind::ListCorruption) == list);
            damage.map(|complaint| step_of(complaint, verdict)).min().unwrap_or(usize::MAX)
        };
        symptoms.extend(failed_checks(verdict, reasons, first(true), first(false)));
        if symptoms.is_empty() {
            symptoms.extend(reasons.first().map(|reason| without_check(verdict, reason)));
        }
        symptoms
    }

    fn new(key: Key, severity: Severity, title: String) -> Self {
        Symptom { key, severity, title, damage: None, checks: Vec::new() }
    }
}

/// The step at which the kernel complained; if that is unknown, the first one.
fn step_of(complaint: &Complaint, verdict: &CaseVerdict) -> usize {
    let steps = verdict.run.as_ref().map_or(&[][..], |run| &run.steps);
    match &complaint.moment {
        ComplaintTime::During(words) | ComplaintTime::Before(words) => {
            steps.iter().position(|step| step_words(step) == *words).unwrap_or_default()
        }
        ComplaintTime::AfterLastStep => steps.len(),
        ComplaintTime::Unknown => 0,
    }
}

/// What a step violates: a failed check, or a hazard in a case that is judged as contract.
pub(super) fn violation<'a>(
    verdict: &CaseVerdict,
    step: &'a TranscriptStep,
) -> Option<(&'a str, &'a str, &'a Option<String>)> {
    match step {
        TranscriptStep::Check { sentence, holds: false, detail, clause } => Some((sentence, detail, clause)),
        TranscriptStep::Hazard { sentence, present: true } if verdict.judgement == Judgement::Contract.name() => {
            Some((sentence, STILL_THERE, &None))
        }
        _ => None,
    }
}

/// The clause about what DERIVE writes into its argument.
const ABOUT_THE_ARGUMENT: &str = "UAPI-4";

/// One symptom for each clause that a failed check is about, up to the step at which memory was damaged. After the step at which
/// the kernel found a damaged list, what is about lists, lifetimes and counts does not count. The rest does: the kernel leaves such a
/// list alone (lib/list_debug.c).
fn failed_checks(verdict: &CaseVerdict, reasons: &[String], list: usize, memory: usize) -> Vec<Symptom> {
    let mut symptoms: Vec<Symptom> = Vec::new();
    for (index, step) in verdict.run.iter().flat_map(|run| &run.steps).take(memory).enumerate() {
        let Some((sentence, detail, clause)) = violation(verdict, step) else { continue };
        // A check that a known defect explains, or a control that the series declares broken, is no reason.
        if !reasons.contains(&format!("{sentence}: {detail}")) {
            continue;
        }
        let nature = Nature::of(sentence, detail);
        let clause = match nature {
            // Whatever the call failed for.
            Nature::Written => ABOUT_THE_ARGUMENT,
            _ => clause.as_ref().unwrap_or(&verdict.clause),
        };
        // No right is gained where something is refused or only left behind.
        let severity = match nature {
            Nature::Granted => Severity::GainedRights,
            Nature::Underflow => Severity::MemoryCorruption,
            Nature::Other | Nature::Name | Nature::Memory => Severity::of_clause(clause),
            _ => Severity::Violation,
        };
        let in_a_list = nature.is_leak()
            || nature == Nature::Underflow
            || ["L-", "ENUM-"].iter().any(|area| clause.starts_with(area))
            || clause == "I-5";
        if index >= list && in_a_list && severity != Severity::GainedRights {
            continue;
        }
        let text = format!("{}: {detail}", plain(sentence));
        let title = format!("{}: {text}", phrase(clause));
        let check = FailedCheck { text, nature };
        match symptoms.iter_mut().find(|symptom| symptom.key == Key::Clause(clause.into())) {
            // The worst check is shown.
            Some(symptom) if severity < symptom.severity => {
                (symptom.severity, symptom.title) = (severity, title);
                symptom.checks.insert(0, check);
            }
            Some(symptom) => symptom.checks.push(check),
            None => {
                let checks = vec![check];
                symptoms.push(Symptom { checks, ..Symptom::new(Key::Clause(clause.into()), severity, title) });
            }
        }
    }
    symptoms
}

fn complained(complaint: &Complaint) -> Symptom {
    let severity = Severity::of_complaint(complaint.kind);
    let place = complaint.frame.clone().or_else(|| complaint.trace.first().cloned());
    let at = place.as_ref().map(|name| format!(" in {name}()")).unwrap_or_default();
    let title = format!("The kernel complains{at}{}: {}", complaint.moment.words(), complaint.title);
    // A BUG names the line of the source, which identifies it better than the function that was compiled around it.
    let place = place.filter(|_| complaint.kind != Kind::Bug).unwrap_or_else(|| complaint.title.clone());
    // Whichever lock is taken second is at fault, so the function says less than the two.
    let place = repeated::inverted_locks(complaint).unwrap_or(place);
    Symptom { damage: Some(Damage::of(complaint)), ..Symptom::new(Key::Complaint(severity, place), severity, title) }
}

/// A case whose checks held, or that was ended.
fn without_check(verdict: &CaseVerdict, reason: &str) -> Symptom {
    match reason.strip_prefix(LEFT_BEHIND) {
        Some(what) => {
            let kind = kinds_left(what).next().unwrap_or_default();
            let title = format!("Something is left behind in the kernel{what}");
            Symptom::new(Key::Left(kind.into()), Severity::Leak, title)
        }
        None => {
            let step = verdict.run.as_ref().and_then(|run| run.open_step()).unwrap_or("no step").to_string();
            let title = format!("{}: {reason}", phrase(&verdict.clause));
            // The kernel kills what cannot access its memory; SIGKILL is for what an oops ended.
            match ["SIGBUS", "SIGSEGV"].into_iter().find(|signal| reason.contains(&format!("killed by {signal}"))) {
                Some(signal) => Symptom::new(Key::Killed(signal), Severity::Violation, title),
                None => Symptom::new(Key::Stuck(plain(&step)), Severity::Hang, title),
            }
        }
    }
}

/// Without what differs between exporters: their names, and how many pages a buffer has.
fn plain(text: &str) -> String {
    static EXPORTER: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"\b(system-heap|cma-heap|udmabuf-list|udmabuf|vgem|vivid)\b").expect("it is a pattern")
    });
    EXPORTER.replace_all(text, "exporter").into_owned()
}
