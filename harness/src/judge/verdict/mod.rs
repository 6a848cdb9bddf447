//! One verdict for every planned case. Pure: its input is transcripts, complaints, endings of guests, and snapshots.

mod claimed;
mod sentences;

use std::collections::BTreeSet;

use cases::case::{Case, Judgement};
use cases::need::Need;
use cases::protocol::{CaseKey, Outcome};
use serde::{Deserialize, Serialize};

use crate::exit_code::ExitCode;
use crate::judge::complaint::Complaint;
use crate::judge::context::JudgeContext;
use crate::judge::expectation::{Expectations, SnapshotMatch};
use crate::judge::transcript::{CaseRun, TranscriptStep};
use claimed::Claimed;
use sentences::{complained, during, whereabouts};

/// The verdict on a case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "verdict", rename_all = "kebab-case")]
pub enum Verdict {
    /// Every check held, the kernel did not complain, and the transcript equals the reviewed one.
    Pass,
    /// The documented limit is there, as expected.
    ExpectedHazard {
        /// Why it is there.
        reason: String,
    },
    /// The documented limit is gone. A person has to review this.
    HazardGone,
    /// Not judged, for an expected reason.
    Skipped {
        /// The need that is not met.
        need: String,
        /// What was tried.
        why: String,
    },
    /// Not judged, although this kernel should have what the case needs.
    UnexpectedSkip {
        /// The need that is not met.
        need: String,
        /// What was tried.
        why: String,
    },
    /// The clause is violated.
    Failed {
        /// What was violated, one sentence for each check.
        reasons: Vec<String>,
    },
    /// The clause is violated exactly as a known defect of this kernel says, with or without a series.
    KnownDefect {
        /// What is wrong in the kernel.
        reason: String,
        /// What was violated, one sentence for each check.
        reasons: Vec<String>,
    },
    /// A known defect of this kernel did not show. A person has to review this.
    DefectGone {
        /// What was wrong in the kernel.
        reason: String,
    },
    /// Nothing failed but controls that the series declares broken.
    Breaks {
        /// What fails, one sentence for each check.
        reasons: Vec<String>,
    },
    /// The series declares these controls broken, but they hold. A person has to review this.
    Unbroken,
    /// No check failed, but the transcript differs from the reviewed one.
    Differs {
        /// The difference.
        diff: String,
    },
    /// The case only records, and the transcript differs from the reviewed one: no clause says what it has to be.
    Recorded {
        /// The difference.
        diff: String,
    },
    /// No check failed, and the transcript has not been reviewed yet.
    Unreviewed,
    /// The set-up of the case failed.
    Broken {
        /// What failed.
        why: String,
    },
    /// The guest was lost before the case ended.
    Lost {
        /// Whether the case had begun.
        begun: bool,
        /// What happened to the guest, and at which step.
        how: String,
    },
    /// Not run, or not to its end, because the run ended early: Ctrl-C, `--fail-fast`, or too many guests.
    NotRun {
        /// What ended the run.
        why: String,
    },
    /// Not run, because it relies on a foundation that is violated on this kernel.
    Blocked {
        /// The clause that is violated.
        by: String,
    },
    /// Run several times, with different verdicts or transcripts.
    Flaky {
        /// How often each verdict occurred, the most frequent first.
        seen: Vec<VerdictCount>,
        /// How many different transcripts there were.
        transcripts: usize,
        /// The diff from the most frequent transcript to that of `worst`; empty if they are the same.
        diff: String,
        /// The worst verdict; the details belong to it.
        worst: Box<Verdict>,
    },
}

/// How often a case that was run several times had one verdict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct VerdictCount {
    /// The word of the verdict.
    pub word: String,
    /// In how many runs.
    pub times: usize,
}

impl Verdict {
    /// Whether it needs no attention.
    pub fn is_as_expected(&self) -> bool {
        self.exit_code() == ExitCode::AsExpected
    }

    /// Whether the case was deliberately not run.
    pub fn is_unrun(&self) -> bool {
        matches!(self, Verdict::NotRun { .. } | Verdict::Blocked { .. })
    }

    /// The exit code of a run with only this verdict.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Verdict::Pass | Verdict::ExpectedHazard { .. } | Verdict::Skipped { .. } => ExitCode::AsExpected,
            Verdict::KnownDefect { .. } | Verdict::Breaks { .. } | Verdict::Recorded { .. } => ExitCode::AsExpected,
            Verdict::Failed { .. } | Verdict::Differs { .. } | Verdict::Blocked { .. } => ExitCode::Violated,
            Verdict::Unreviewed | Verdict::HazardGone | Verdict::DefectGone { .. } | Verdict::Unbroken => {
                ExitCode::Unreviewed
            }
            Verdict::Broken { .. } | Verdict::UnexpectedSkip { .. } => ExitCode::BrokenCase,
            Verdict::Lost { .. } => ExitCode::GuestLost,
            Verdict::NotRun { .. } => ExitCode::BrokenCase,
            // Never as expected, not even if the case only passes and is skipped: its result is not reliable.
            Verdict::Flaky { worst, .. } if worst.is_as_expected() => ExitCode::BrokenCase,
            Verdict::Flaky { worst, .. } => worst.exit_code(),
        }
    }

    /// The verdict that the details belong to: for a flaky case the worst one.
    pub fn detailed(&self) -> &Verdict {
        match self {
            Verdict::Flaky { worst, .. } => worst,
            verdict => verdict,
        }
    }

    /// For a flaky case, how often each verdict occurred, as a sentence.
    pub fn sightings(&self) -> Option<String> {
        let Verdict::Flaky { seen, transcripts, .. } = self else { return None };
        let runs: usize = seen.iter().map(|sighting| sighting.times).sum();
        let seen: Vec<String> = seen.iter().map(|count| format!("{} {}", count.word, count.times)).collect();
        let mut sentence = format!("in {runs} runs: {}", seen.join(", "));
        if *transcripts > 1 {
            sentence += &format!("; {transcripts} different transcripts");
        }
        Some(sentence)
    }

    /// The word in reports.
    pub fn word(&self) -> &'static str {
        match self {
            Verdict::Pass => "pass",
            Verdict::ExpectedHazard { .. } => "XFAIL",
            Verdict::HazardGone => "XPASS",
            Verdict::Skipped { .. } => "skip",
            Verdict::UnexpectedSkip { .. } => "SKIP",
            Verdict::Failed { .. } => "FAIL",
            Verdict::KnownDefect { .. } => "KNOWN",
            Verdict::DefectGone { .. } => "STALE",
            Verdict::Breaks { .. } => "BREAKS",
            Verdict::Unbroken => "HOLDS",
            Verdict::Differs { .. } => "DIFF",
            Verdict::Recorded { .. } => "other",
            Verdict::Unreviewed => "NEW",
            Verdict::Broken { .. } => "BROKEN",
            Verdict::Lost { .. } => "LOST",
            Verdict::NotRun { .. } => "unrun",
            Verdict::Blocked { .. } => "blocked",
            Verdict::Flaky { .. } => "FLAKY",
        }
    }
}

/// What is wrong with a hazard that is there although the series declares it closed.
pub const STILL_THERE: &str = "it is there, and the series declares it closed";
/// The beginning of the reason when all checks held but the case left something behind in the kernel.
pub const LEFT_BEHIND: &str = "something is left behind";

/// The kinds of resources in what follows it: `: the case's process is gone; open files: 8, 7 before`. A part without a count is no kind.
pub fn kinds_left(what: &str) -> impl Iterator<Item = &str> {
    what.trim_start_matches(": ").split("; ").filter_map(|part| Some(part.split_once(": ")?.0))
}

/// A verdict with its evidence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct CaseVerdict {
    /// Case and exporter.
    #[cfg_attr(test, schemars(with = "String"))]
    pub key: CaseKey,
    /// The clause that was judged.
    pub clause: String,
    /// `contract`, `hazard` or `record`; a hazard that the series declares closed is judged as `contract`.
    pub judgement: String,
    /// The verdict.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// The transcript of the guest, if the case began.
    pub run: Option<CaseRun>,
    /// The complaints of the kernel while the case ran.
    pub complaints: Vec<Complaint>,
    /// Where the guest hung in this case: what its tasks were waiting for and which locks they held.
    #[serde(default)]
    pub tasks: Vec<String>,
    /// How often it was run because of `--retries`; the verdict is that of the first run, or flaky.
    #[serde(default = "once")]
    pub tries: usize,
}

fn once() -> usize {
    1
}

/// Whether this verdict is a violation of the contract.
pub fn is_violation(verdict: &CaseVerdict) -> bool {
    verdict.judgement == "contract" && matches!(verdict.verdict, Verdict::Failed { .. })
}

/// What is known about one planned case after the end of its guest.
#[derive(Debug)]
pub struct Evidence<'a> {
    /// The case.
    pub case: &'static Case,
    /// Its key.
    pub key: CaseKey,
    /// Its transcript, if it began.
    pub run: Option<&'a CaseRun>,
    /// The complaints of the kernel while it ran.
    pub complaints: Vec<Complaint>,
    /// How the guest ended, if the case has no outcome.
    pub loss: &'a str,
    /// Why the session decided not to run it, or not to its end; `None` if it did not.
    pub halted: Option<&'a str>,
    /// Where the guest's processors were when it was stuck in this case.
    pub processors: &'a [String],
    /// The summary of its kernel's task dump.
    pub tasks: Vec<String>,
}

/// Judges one case.
pub fn judge(evidence: Evidence<'_>, context: &JudgeContext) -> CaseVerdict {
    let expectations = &context.expectations;
    let claimed = Claimed::of(evidence.case, &evidence.key, &context.claims);
    let verdict = decide(&evidence, &context.met, expectations, claimed);
    let verdict = known(verdict, &evidence, expectations);
    let judgement = if claimed.closes() { Judgement::Contract } else { evidence.case.judgement };
    CaseVerdict {
        key: evidence.key,
        clause: evidence.case.clause.to_string(),
        judgement: judgement.name().to_string(),
        verdict,
        run: evidence.run.cloned(),
        complaints: evidence.complaints,
        tries: 1,
        tasks: evidence.tasks,
    }
}

fn decide(evidence: &Evidence<'_>, met: &BTreeSet<Need>, expectations: &Expectations, claimed: Claimed<'_>) -> Verdict {
    let mut reasons: Vec<String> = Vec::new();
    let run = evidence.run;
    if let Some(run) = run {
        reasons.extend(claimed.failed_checks(run));
        reasons.extend(claimed.open(run));
    }
    reasons.extend(complained(&evidence.complaints));
    let Some((run, outcome)) = run.and_then(|run| Some((run, run.outcome.as_ref()?))) else {
        let what = evidence.halted.unwrap_or(evidence.loss);
        let how = match run.and_then(CaseRun::open_step) {
            Some(step) => format!("{what} during {step}"),
            None => what.to_string(),
        };
        let how = how + &whereabouts(evidence.processors);
        // A violation or a complaint before the guest was lost is a failure.
        if !reasons.is_empty() {
            reasons.push(how);
            return Verdict::Failed { reasons };
        }
        if evidence.halted.is_some() {
            return Verdict::NotRun { why: how };
        }
        return Verdict::Lost { begun: run.is_some(), how };
    };
    match outcome {
        Outcome::Skip { need, why } if reasons.is_empty() => {
            let expected = Need::by_name(need).is_some_and(|need| !met.contains(&need));
            let (need, why) = (need.clone(), why.clone());
            return if expected { Verdict::Skipped { need, why } } else { Verdict::UnexpectedSkip { need, why } };
        }
        Outcome::Broken { why } if reasons.is_empty() => {
            return Verdict::Broken { why: format!("{why}{}", during(run)) };
        }
        Outcome::Leaked { what } => reasons.push(format!("{LEFT_BEHIND}: {what}")),
        Outcome::Killed { signal } => {
            reasons.push(format!("the case was killed by {signal}{}", during(run)));
        }
        Outcome::TimedOut => {
            let processors = whereabouts(evidence.processors);
            reasons.push(format!("the case did not end within its limit{}{processors}", during(run)));
        }
        Outcome::Fail if reasons.is_empty() && run.failed_checks().next().is_none() => {
            reasons.push("the case failed without a reason".into());
        }
        _ => {}
    }
    if !reasons.is_empty() {
        return Verdict::Failed { reasons };
    }
    if let [first, ..] = run.protocol_errors.as_slice() {
        return Verdict::Broken { why: format!("the guest violated the protocol: {first}") };
    }
    if let Judgement::Hazard(reason) = evidence.case.judgement {
        let gone = run.steps.iter().any(|step| matches!(step, TranscriptStep::Hazard { present: false, .. }));
        let probed = run.steps.iter().any(|step| matches!(step, TranscriptStep::Hazard { .. }));
        if !probed {
            return Verdict::Broken { why: "a hazard case that probed no hazard".into() };
        }
        // What closes a hazard changes the transcript, so it is not compared with that of the hazard.
        if let Some(verdict) = claimed.verdict(run) {
            return verdict;
        }
        if claimed.closes() {
            return Verdict::Pass;
        }
        if gone {
            return Verdict::HazardGone;
        }
        return match compare(run, expectations) {
            Some(verdict) => verdict,
            None => Verdict::ExpectedHazard { reason: reason.into() },
        };
    }
    claimed.verdict(run).or_else(|| compare(run, expectations)).unwrap_or(Verdict::Pass)
}

/// A known defect explains all failing checks of a case or none, and never a complaint: with one the case fails, for the complaint
/// alone. A case that did not end, or could not be judged, says nothing about the defect.
fn known(verdict: Verdict, evidence: &Evidence<'_>, expectations: &Expectations) -> Verdict {
    let Some(defect) = expectations.known_defect(&evidence.key) else { return verdict };
    let silent = evidence.complaints.iter().all(|complaint| complaint.suppressed.is_some());
    let reason = defect.reason.clone();
    match verdict {
        Verdict::Failed { reasons } if silent && defect.explains(&reasons) => Verdict::KnownDefect { reason, reasons },
        Verdict::Failed { reasons } if !silent => {
            let complaints = complained(&evidence.complaints);
            let (new, checks): (Vec<_>, Vec<_>) = reasons.into_iter().partition(|reason| complaints.contains(reason));
            let reasons = if defect.explains(&checks) { new } else { [checks, new].concat() };
            Verdict::Failed { reasons }
        }
        Verdict::Pass | Verdict::ExpectedHazard { .. } if !defect.race => Verdict::DefectGone { reason },
        verdict => verdict,
    }
}

fn compare(run: &CaseRun, expectations: &Expectations) -> Option<Verdict> {
    match expectations.compare(&run.key, &run.text()) {
        SnapshotMatch::Same => None,
        SnapshotMatch::New => Some(Verdict::Unreviewed),
        SnapshotMatch::Differs(diff) => {
            let records = cases::suite::by_id(run.key.id()).is_some_and(|case| case.judgement == Judgement::Record);
            Some(if records { Verdict::Recorded { diff } } else { Verdict::Differs { diff } })
        }
        SnapshotMatch::Unreadable(why) => {
            Some(Verdict::Differs { diff: format!("the snapshot cannot be read: {why}") })
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
