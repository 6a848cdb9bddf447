//! One verdict for every planned case. Pure: it sees transcripts, complaints, endings and snapshots, and nothing else.

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

/// How a case came out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "verdict", rename_all = "kebab-case")]
pub enum Verdict {
    /// Every check held, the kernel was silent, and the transcript is the reviewed one.
    Pass,
    /// The documented limit is there, as expected.
    ExpectedHazard {
        /// Why it is there.
        reason: String,
    },
    /// The documented limit is gone: good news, for a person to look at.
    HazardGone,
    /// Not judged, for a reason that was to be expected.
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
        /// In which way, one sentence each.
        reasons: Vec<String>,
    },
    /// The clause is violated in just the way in which this kernel is known to do so, with or without a series.
    KnownDefect {
        /// What is wrong in the kernel.
        reason: String,
        /// In which way, one sentence each.
        reasons: Vec<String>,
    },
    /// This kernel is known to violate the clause, and did not: for a person to look at.
    DefectGone {
        /// What was wrong in the kernel.
        reason: String,
    },
    /// No check failed, but the transcript is not the reviewed one.
    Differs {
        /// The difference.
        diff: String,
    },
    /// No check failed and nobody has reviewed the transcript yet.
    Unreviewed,
    /// Our own set-up did not work.
    Broken {
        /// What failed.
        why: String,
    },
    /// The guest went away before the case could end.
    Lost {
        /// Whether the case had begun.
        begun: bool,
        /// What happened to the guest, and at which step.
        how: String,
    },
    /// Not run, or not to its end, because the run was ended before: Ctrl-C, `--fail-fast`, or a session given up.
    NotRun {
        /// What ended the run.
        why: String,
    },
    /// Not run, because it relies on something that this run has shown to be violated.
    Blocked {
        /// The clause that is violated.
        by: String,
    },
    /// Run several times, and not the same every time.
    Flaky {
        /// What was seen how often, the most frequent first.
        seen: Vec<VerdictCount>,
        /// How many different transcripts there were.
        transcripts: usize,
        /// From the most frequent transcript to the one of `worst`; empty when they are the same.
        diff: String,
        /// The worst that was seen; the details of the verdict are from there.
        worst: Box<Verdict>,
    },
}

/// How often a case that was run several times came out in one way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct VerdictCount {
    /// The word of the verdict.
    pub word: String,
    /// In how many runs.
    pub times: usize,
}

impl Verdict {
    /// Whether nobody has to do anything about it.
    pub fn is_as_expected(&self) -> bool {
        self.exit_code() == ExitCode::AsExpected
    }

    /// Whether the case was not run, by decision.
    pub fn is_unrun(&self) -> bool {
        matches!(self, Verdict::NotRun { .. } | Verdict::Blocked { .. })
    }

    /// The exit code that this verdict alone leads to.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Verdict::Pass | Verdict::ExpectedHazard { .. } | Verdict::Skipped { .. } => ExitCode::AsExpected,
            Verdict::KnownDefect { .. } => ExitCode::AsExpected,
            Verdict::Failed { .. } | Verdict::Differs { .. } | Verdict::Blocked { .. } => ExitCode::Violated,
            Verdict::Unreviewed | Verdict::HazardGone | Verdict::DefectGone { .. } => ExitCode::Unreviewed,
            Verdict::Broken { .. } | Verdict::UnexpectedSkip { .. } => ExitCode::BrokenCase,
            Verdict::Lost { .. } => ExitCode::GuestLost,
            Verdict::NotRun { .. } => ExitCode::BrokenCase,
            // Never as expected: a case that now passes and now is skipped cannot be believed either.
            Verdict::Flaky { worst, .. } if worst.is_as_expected() => ExitCode::BrokenCase,
            Verdict::Flaky { worst, .. } => worst.exit_code(),
        }
    }

    /// The verdict that the details belong to: of a flaky case the worst.
    pub fn detailed(&self) -> &Verdict {
        match self {
            Verdict::Flaky { worst, .. } => worst,
            verdict => verdict,
        }
    }

    /// Of a flaky case, what was seen how often, as a sentence.
    pub fn sightings(&self) -> Option<String> {
        let Verdict::Flaky { seen, transcripts, .. } = self else { return None };
        let runs: usize = seen.iter().map(|sighting| sighting.times).sum();
        let seen: Vec<String> = seen.iter().map(|sighting| format!("{} {}", sighting.word, sighting.times)).collect();
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
            Verdict::Differs { .. } => "DIFF",
            Verdict::Unreviewed => "NEW",
            Verdict::Broken { .. } => "BROKEN",
            Verdict::Lost { .. } => "LOST",
            Verdict::NotRun { .. } => "unrun",
            Verdict::Blocked { .. } => "blocked",
            Verdict::Flaky { .. } => "FLAKY",
        }
    }
}

/// How the reason of a case begins that held and left something behind in the kernel.
pub const LEFT_BEHIND: &str = "something is left behind";

/// A verdict with everything that led to it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct CaseVerdict {
    /// Case and exporter.
    #[cfg_attr(test, schemars(with = "String"))]
    pub key: CaseKey,
    /// The clause that was judged.
    pub clause: String,
    /// `contract`, `hazard` or `record`.
    pub judgement: String,
    /// How it came out.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// What the guest wrote down, if the case began.
    pub run: Option<CaseRun>,
    /// What the kernel said while the case ran.
    pub complaints: Vec<Complaint>,
    /// Where the guest hung in this case: what its tasks were waiting for and which locks they held.
    #[serde(default)]
    pub tasks: Vec<String>,
    /// How often it was run, as `--retries` asks; the verdict is that of the first run, or flaky.
    #[serde(default = "once")]
    pub tries: usize,
}

fn once() -> usize {
    1
}

/// Whether a case says that the contract is violated.
pub fn is_violation(verdict: &CaseVerdict) -> bool {
    verdict.judgement == "contract" && matches!(verdict.verdict, Verdict::Failed { .. })
}

/// What is known about one planned case when its guest is gone.
#[derive(Debug)]
pub struct Evidence<'a> {
    /// The case.
    pub case: &'static Case,
    /// Its key.
    pub key: CaseKey,
    /// What the guest wrote down, if it began.
    pub run: Option<&'a CaseRun>,
    /// What the kernel said while it ran.
    pub complaints: Vec<Complaint>,
    /// What became of the guest, where the case has no outcome.
    pub loss: &'a str,
    /// Why no guest was to run it to its end, where that was decided and not suffered.
    pub halted: Option<&'a str>,
    /// Where the guest's processors were when it was stuck in this case.
    pub processors: &'a [String],
    /// What its kernel told about its tasks then.
    pub tasks: Vec<String>,
}

/// Judges one case.
pub fn judge(evidence: Evidence<'_>, context: &JudgeContext) -> CaseVerdict {
    let expectations = &context.expectations;
    let verdict = decide(&evidence, &context.met, expectations);
    let verdict = known(verdict, &evidence, expectations);
    CaseVerdict {
        key: evidence.key,
        clause: evidence.case.clause.to_string(),
        judgement: evidence.case.judgement.name().to_string(),
        verdict,
        run: evidence.run.cloned(),
        complaints: evidence.complaints,
        tries: 1,
        tasks: evidence.tasks,
    }
}

fn decide(evidence: &Evidence<'_>, met: &BTreeSet<Need>, expectations: &Expectations) -> Verdict {
    let mut reasons: Vec<String> = Vec::new();
    let run = evidence.run;
    if let Some(run) = run {
        reasons.extend(run.failed_checks().map(|(sentence, detail)| format!("{sentence}: {detail}")));
    }
    reasons.extend(complained(&evidence.complaints));
    let Some((run, outcome)) = run.and_then(|run| Some((run, run.outcome.as_ref()?))) else {
        let what = evidence.halted.unwrap_or(evidence.loss);
        let how = match run.and_then(CaseRun::open_step) {
            Some(step) => format!("{what} during {step}"),
            None => what.to_string(),
        };
        let how = how + &whereabouts(evidence.processors);
        // A case that saw a violation, or made the kernel complain, before the guest went away has something to say.
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
        Outcome::Fail if reasons.is_empty() => reasons.push("the case failed without saying why".into()),
        _ => {}
    }
    if !reasons.is_empty() {
        return Verdict::Failed { reasons };
    }
    if let [first, ..] = run.protocol_errors.as_slice() {
        return Verdict::Broken { why: format!("what the guest says cannot be believed: {first}") };
    }
    if let Judgement::Hazard(reason) = evidence.case.judgement {
        let gone = run.steps.iter().any(|step| matches!(step, TranscriptStep::Hazard { present: false, .. }));
        let probed = run.steps.iter().any(|step| matches!(step, TranscriptStep::Hazard { .. }));
        if !probed {
            return Verdict::Broken { why: "a hazard case that probed no hazard".into() };
        }
        if gone {
            return Verdict::HazardGone;
        }
        return match compare(run, expectations) {
            Some(verdict) => verdict,
            None => Verdict::ExpectedHazard { reason: reason.into() },
        };
    }
    compare(run, expectations).unwrap_or(Verdict::Pass)
}

/// What is known about this kernel explains a failure as a whole or not at all, and no complaint. A case that did not come to
/// its end, or could not be judged, tells nothing about what is known.
fn known(verdict: Verdict, evidence: &Evidence<'_>, expectations: &Expectations) -> Verdict {
    let Some(defect) = expectations.known_defect(&evidence.key) else { return verdict };
    let silent = evidence.complaints.iter().all(|complaint| complaint.suppressed.is_some());
    let reason = defect.reason.clone();
    match verdict {
        Verdict::Failed { reasons } if silent && defect.explains(&reasons) => Verdict::KnownDefect { reason, reasons },
        Verdict::Pass | Verdict::ExpectedHazard { .. } => Verdict::DefectGone { reason },
        verdict => verdict,
    }
}

/// One sentence for each title, however often it came. What is allowed is no reason.
fn complained(complaints: &[Complaint]) -> Vec<String> {
    let mut counted: Vec<(&Complaint, usize)> = Vec::new();
    for complaint in complaints.iter().filter(|complaint| complaint.suppressed.is_none()) {
        let same = |first: &Complaint| first.title == complaint.title && first.frame == complaint.frame;
        match counted.iter_mut().find(|(first, _)| same(first)) {
            Some((_, count)) => *count += 1,
            None => counted.push((complaint, 1)),
        }
    }
    counted.into_iter().map(|(first, count)| first.sentence(count)).collect()
}

fn whereabouts(processors: &[String]) -> String {
    if processors.is_empty() { String::new() } else { format!("; {}", processors.join("; ")) }
}

fn during(run: &CaseRun) -> String {
    run.open_step().map(|step| format!(" during {step}")).unwrap_or_default()
}

fn compare(run: &CaseRun, expectations: &Expectations) -> Option<Verdict> {
    match expectations.compare(&run.key, &run.text()) {
        SnapshotMatch::Same => None,
        SnapshotMatch::New => Some(Verdict::Unreviewed),
        SnapshotMatch::Differs(diff) => Some(Verdict::Differs { diff }),
        SnapshotMatch::Unreadable(why) => {
            Some(Verdict::Differs { diff: format!("the snapshot cannot be read: {why}") })
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
