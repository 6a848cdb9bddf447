//! Parses the bytes of the result channel into one [`CaseRun`] for every case that began.
//!
//! Nothing is repaired. Bytes that violate the protocol become a protocol error, and a case with one never passes.

use std::fmt::Write;

use cases::lines;
use cases::protocol::{CaseKey, Leak, Line, Outcome, Record, TORN, VERSION};
use serde::{Deserialize, Serialize};

use crate::judge::complaint_time::ComplaintTime;
use crate::judge::complaint_time::NoticedComplaint;

/// One line of a transcript.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum TranscriptStep {
    /// A call; `result` is absent if it never returned.
    Call {
        /// The call.
        text: String,
        /// Its result.
        result: Option<String>,
    },
    /// A check.
    Check {
        /// The sentence.
        sentence: String,
        /// Whether it is true.
        holds: bool,
        /// What was seen instead.
        detail: String,
        /// The clause that it is about, if it is not that of its case.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        clause: Option<String>,
    },
    /// A documented limit.
    Hazard {
        /// The sentence.
        sentence: String,
        /// Whether the limit was seen.
        present: bool,
    },
    /// Recorded behaviour.
    Note(String),
}

/// One case as the guest ran it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct CaseRun {
    /// Its key.
    #[cfg_attr(test, schemars(with = "String"))]
    pub key: CaseKey,
    /// Its steps.
    pub steps: Vec<TranscriptStep>,
    /// How it ended; absent if the guest did not report it.
    pub outcome: Option<Outcome>,
    /// Milliseconds of guest time.
    pub ms: u64,
    /// The first protocol error since the case began: its results are not reliable.
    #[serde(default, skip_serializing_if = "Vec::is_empty", alias = "oddities")]
    pub protocol_errors: Vec<String>,
}

impl CaseRun {
    /// The transcript of the case, as in snapshots and reports.
    pub fn text(&self) -> String {
        let mut text = lines::case(self.key.name(), self.key.exporter()) + "\n";
        for step in &self.steps {
            let _ = writeln!(text, "{}", step_text(step));
        }
        let _ = writeln!(text, "{}", lines::end(self.outcome.as_ref().map_or("never", outcome_word)));
        text
    }

    /// The last call, if it never returned.
    pub fn open_step(&self) -> Option<&str> {
        match self.steps.last() {
            Some(TranscriptStep::Call { text, result: None }) => Some(text),
            _ => None,
        }
    }

    /// The failed checks, in order.
    pub fn failed_checks(&self) -> impl Iterator<Item = (&str, &str)> {
        self.steps.iter().filter_map(|step| match step {
            TranscriptStep::Check { sentence, holds: false, detail, .. } => Some((sentence.as_str(), detail.as_str())),
            _ => None,
        })
    }
}

/// One step as a line.
pub fn step_text(step: &TranscriptStep) -> String {
    match step {
        TranscriptStep::Call { text, result } => {
            lines::call(text) + &lines::result(result.as_deref().unwrap_or("(never returned)"))
        }
        TranscriptStep::Check { sentence, holds, detail, .. } => lines::check(sentence, *holds, detail),
        TranscriptStep::Hazard { sentence, present } => lines::hazard(sentence, *present),
        TranscriptStep::Note(text) => lines::note(text),
    }
}

/// What a message calls a step.
pub fn step_words(step: &TranscriptStep) -> String {
    match step {
        TranscriptStep::Call { text, .. } => text.clone(),
        TranscriptStep::Check { sentence, .. } | TranscriptStep::Hazard { sentence, .. } => {
            format!("the check \"{sentence}\"")
        }
        TranscriptStep::Note(text) => format!("the note \"{text}\""),
    }
}

fn outcome_word(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Pass => "pass",
        Outcome::Fail => "fail",
        Outcome::Skip { .. } => "skip",
        Outcome::Broken { .. } => "broken",
        Outcome::Killed { .. } => "killed",
        Outcome::TimedOut => "timed out",
        Outcome::Leaked { .. } => "leaked",
    }
}

/// How many protocol errors are kept.
const MOST_ERRORS: usize = 20;

/// All records of one guest.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Transcript {
    /// `uname -r`, once the guest has sent it.
    pub kernel: Option<String>,
    /// The plan the guest announced.
    pub plan: Option<Vec<CaseKey>>,
    /// The cases that began, in order.
    pub cases: Vec<CaseRun>,
    /// Why the runner ended the guest.
    pub stop: Option<String>,
    /// The closing count.
    pub count: Option<usize>,
    /// The complaints of the kernel that the guest noticed, each once, in order.
    pub noticed: Vec<NoticedComplaint>,
    /// Whether the search for leaked memory has not finished.
    pub search_due: bool,
    /// The leaks that were found.
    pub leaks: Vec<Leak>,
    /// Violations of the protocol.
    pub protocol_errors: Vec<String>,
}

impl Transcript {
    /// Parses the bytes of the result channel.
    pub fn parse(bytes: &[u8]) -> Self {
        let mut transcript = Transcript::default();
        let mut expected = 0;
        let mut torn = false;
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let (line, after) = (&rest[..end], &rest[end + 1..]);
            rest = after;
            if line.ends_with(&[TORN]) {
                torn = true;
                continue;
            }
            match serde_json::from_slice::<Line>(line) {
                Ok(Line { seq, record }) => {
                    if seq != expected && !(torn && seq == expected + 1) {
                        transcript.protocol_error(format!("record {seq} arrived instead of record {expected}"));
                    }
                    expected = seq + 1;
                    torn = false;
                    transcript.take(record);
                }
                // Garbage on the channel causes millions of these.
                Err(_) if transcript.protocol_errors.len() > MOST_ERRORS => {}
                Err(error) => transcript.protocol_error(format!("a line is not a record ({error}): {}", excerpt(line))),
            }
        }
        if !rest.is_empty() {
            transcript.protocol_error(format!("the channel ends inside a record: {}", excerpt(rest)));
        }
        transcript
    }

    fn protocol_error(&mut self, what: String) {
        if let Some(case) = self.cases.last_mut().filter(|case| case.protocol_errors.is_empty()) {
            case.protocol_errors.push(what.clone());
        }
        match self.protocol_errors.len() {
            0..MOST_ERRORS => self.protocol_errors.push(what),
            MOST_ERRORS => self.protocol_errors.push("and more".into()),
            _ => {}
        }
    }

    /// Takes the next record.
    pub(crate) fn take(&mut self, record: Record) {
        match record {
            Record::Hello { protocol, kernel, .. } => {
                if protocol != VERSION {
                    self.protocol_error(format!("the guest uses protocol version {protocol}, this program {VERSION}"));
                }
                self.kernel = Some(kernel);
            }
            Record::Plan { cases } => self.plan = Some(cases),
            Record::Begin { case, .. } => {
                if self.open_case().is_some() {
                    self.protocol_error(format!("{case} began before the previous case ended"));
                }
                if !self.plan.as_ref().is_some_and(|plan| plan.contains(&case)) {
                    self.protocol_error(format!("{case} began but was not planned"));
                }
                self.cases.push(CaseRun {
                    key: case,
                    steps: Vec::new(),
                    outcome: None,
                    ms: 0,
                    protocol_errors: Vec::new(),
                });
            }
            Record::Call { text } => self.step(TranscriptStep::Call { text, result: None }),
            Record::Return { text } => match self.open_case().and_then(|case| case.steps.last_mut()) {
                Some(TranscriptStep::Call { result: slot @ None, .. }) => *slot = Some(text),
                _ => self.protocol_error(format!("a result without a call: {text}")),
            },
            Record::Check { sentence, holds, detail, clause } => {
                self.step(TranscriptStep::Check { sentence, holds, detail, clause });
            }
            Record::Hazard { sentence, present } => self.step(TranscriptStep::Hazard { sentence, present }),
            Record::Note { text } => self.step(TranscriptStep::Note(text)),
            Record::Complaint { number, us, line } => self.notice(number, us, line),
            Record::SearchDue => self.search_due = true,
            Record::Leak(leak) => self.leaks.push(leak),
            Record::Searched { doubt } => {
                self.search_due = false;
                self.protocol_errors
                    .extend(doubt.map(|why| format!("the search for leaked memory was incomplete: {why}")));
            }
            // Coverage counters; they do not affect verdicts.
            Record::Counts { .. } | Record::Counted { .. } => {}
            Record::End { case, outcome, ms } => match self.open_case() {
                Some(open) if open.key == case => {
                    open.outcome = Some(outcome);
                    open.ms = ms;
                }
                _ => self.protocol_error(format!("{case} ended but was not running")),
            },
            Record::Stop { reason, .. } => self.stop = Some(reason),
            Record::Count { ended } => {
                let seen = self.cases.iter().filter(|case| case.outcome.is_some()).count();
                if seen != ended {
                    self.protocol_error(format!("the guest reports {ended} ended cases, but {seen} arrived"));
                }
                self.count = Some(ended);
            }
        }
    }

    fn step(&mut self, step: TranscriptStep) {
        // Complaints noticed since the last step came before this step.
        let key = self.open_case().map(|case| case.key.clone());
        let words = step_words(&step);
        for complaint in self
            .noticed
            .iter_mut()
            .filter(|complaint| complaint.case == key && complaint.moment == ComplaintTime::AfterLastStep)
        {
            complaint.moment = ComplaintTime::Before(words.clone());
        }
        match self.open_case() {
            Some(case) => case.steps.push(step),
            None => self.protocol_error(format!("a step outside of any case: {}", step_text(&step))),
        }
    }

    /// The case and the runner both read the kernel log, so a complaint can be reported twice.
    fn notice(&mut self, number: u64, us: u64, line: String) {
        if self.noticed.iter().any(|complaint| complaint.number == number) {
            return;
        }
        let open = self.unfinished().and_then(CaseRun::open_step);
        let moment = open.map_or(ComplaintTime::AfterLastStep, |step| ComplaintTime::During(step.into()));
        let case = self.cases.last().map(|case| case.key.clone());
        self.noticed.push(NoticedComplaint { number, us, line, case, moment });
    }

    fn open_case(&mut self) -> Option<&mut CaseRun> {
        self.cases.last_mut().filter(|case| case.outcome.is_none())
    }

    /// The case that was running at the end of the channel.
    pub fn unfinished(&self) -> Option<&CaseRun> {
        self.cases.last().filter(|case| case.outcome.is_none())
    }
}

fn excerpt(bytes: &[u8]) -> String {
    let text: String = String::from_utf8_lossy(&bytes[..bytes.len().min(240)]).chars().take(60).collect();
    text.escape_debug().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn channel(records: &[Record]) -> Vec<u8> {
        let lines = records.iter().enumerate().map(|(seq, record)| {
            serde_json::to_string(&Line { seq: seq as u64, record: record.clone() }).unwrap() + "\n"
        });
        lines.collect::<String>().into_bytes()
    }

    fn key() -> CaseKey {
        CaseKey::new("rights/table", "udmabuf")
    }

    fn whole_run() -> Vec<Record> {
        vec![
            Record::Hello { protocol: VERSION, kernel: "7.2.13".into(), uptime_ms: 900 },
            Record::Plan { cases: vec![key()] },
            Record::Begin { case: key(), limit_ms: 1000 },
            Record::Call { text: "derive(primary, O_RDONLY)".into() },
            Record::Return { text: "alias".into() },
            Record::Check { sentence: "it is granted".into(), holds: true, detail: String::new(), clause: None },
            Record::End { case: key(), outcome: Outcome::Pass, ms: 3 },
            Record::Count { ended: 1 },
        ]
    }

    #[test]
    fn a_complete_run_is_parsed_without_errors() {
        let transcript = Transcript::parse(&channel(&whole_run()));
        assert_eq!(transcript.protocol_errors, Vec::<String>::new());
        insta::assert_snapshot!(transcript.cases[0].text(), @r"
        case   rights/table   exporter udmabuf
        call   derive(primary, O_RDONLY)                            = alias
        check  it is granted                                          ok
        end    pass
        ");
    }

    #[test]
    fn a_channel_that_is_cut_anywhere_is_incomplete() {
        let whole = channel(&whole_run());
        for len in 0..whole.len() {
            let transcript = Transcript::parse(&whole[..len]);
            let complete = transcript.count.is_some() && transcript.protocol_errors.is_empty();
            assert!(!complete, "a channel cut after {len} of {} bytes looks complete", whole.len());
        }
    }

    #[test]
    fn a_call_that_never_returned_is_the_open_step() {
        let transcript = Transcript::parse(&channel(&whole_run()[..4]));
        assert_eq!(transcript.unfinished().and_then(CaseRun::open_step), Some("derive(primary, O_RDONLY)"));
    }

    #[test]
    fn a_record_that_a_killed_process_left_unfinished_is_ignored() {
        let whole = channel(&whole_run());
        let record = |index: usize| whole.split_inclusive(|byte| *byte == b'\n').nth(index).unwrap();
        let check = record(5);
        // Killed before the first byte, in the middle, and just before the end of the line.
        for written in [0, 20, check.len() - 1] {
            let mut bytes =
                [record(0), record(1), record(2), record(3), record(4), &check[..written], &[TORN, b'\n']].concat();
            bytes.extend([record(6), record(7)].concat());
            let transcript = Transcript::parse(&bytes);
            assert_eq!(transcript.protocol_errors, Vec::<String>::new(), "{written} bytes");
            assert!(transcript.cases[0].outcome.is_some());
        }
        let two_gone = [record(0), record(1), record(2), record(3), &[TORN, b'\n'], record(6)].concat();
        assert!(!Transcript::parse(&two_gone).protocol_errors.is_empty());
    }

    #[test]
    fn a_lost_record_is_a_protocol_error() {
        let mut lines: Vec<u8> = channel(&whole_run());
        let second = lines.iter().position(|byte| *byte == b'\n').unwrap() + 1;
        lines.drain(..second);
        assert!(!Transcript::parse(&lines).protocol_errors.is_empty());
    }
}
