//! Progress while cases run: shows the running case, and each violation as soon as it is known.

use std::collections::BTreeSet;

use cases::protocol::{CaseKey, Leak, Record};
use harness::host::progress::{Progress, Task};
use harness::judge::context::JudgeContext;

/// Follows the records of guests.
pub struct Watcher<'a> {
    progress: Progress,
    context: &'a JudgeContext,
    task: Option<Task>,
    cases: usize,
    rounds: Option<usize>,
    round: usize,
    ended: usize,
    running: String,
    /// Printed lines, so that a violation in every round is printed once.
    printed: BTreeSet<String>,
}

impl<'a> Watcher<'a> {
    /// Follows `cases` cases in this number of rounds; `None` if it is not known.
    pub fn new(
        progress: &Progress,
        context: &'a JudgeContext,
        label: &str,
        cases: usize,
        rounds: Option<usize>,
    ) -> Self {
        let total = rounds.map(|rounds| (cases * rounds) as u64);
        Watcher {
            progress: progress.clone(),
            context,
            task: Some(progress.task(label, total)),
            cases,
            rounds,
            round: 1,
            ended: 0,
            running: String::new(),
            printed: BTreeSet::new(),
        }
    }

    /// The next round begins. Cases that the previous round did not reach count as done.
    pub fn round(&mut self, number: usize) {
        self.round = number;
        self.ended = (number - 1) * self.cases;
        self.running.clear();
    }

    /// Takes a record of the guest.
    pub fn see(&mut self, record: &Record) {
        match record {
            Record::Begin { case, .. } => {
                let message = match self.rounds {
                    Some(1) => case.to_string(),
                    Some(rounds) => format!("round {} of {rounds}: {case}", self.round),
                    None => format!("round {}: {case}", self.round),
                };
                self.running = case.to_string();
                if let Some(task) = &self.task {
                    task.message(message);
                }
            }
            Record::Check { sentence, holds: false, detail, .. } => {
                // A known defect of the kernel is no news; the report names it.
                let known = self.context.expectations.known_defect(&CaseKey(self.running.clone()));
                if !known.is_some_and(|defect| defect.names(&format!("{sentence}: {detail}"))) {
                    self.say(format!("violated in {}: {sentence}: {detail}", self.running));
                }
            }
            Record::Leak(Leak { case: Some(case), .. }) => {
                self.say(format!("violated in {case}: memory leak (kmemleak)"));
            }
            Record::Leak(Leak { case: None, objects, size, comm, frames }) => {
                let by = frames.iter().take(4).map(String::as_str).collect::<Vec<_>>().join(" < ");
                self.say(format!(
                    "note: kmemleak reports {objects} of {size} bytes that {comm} allocated before the first case: {by}"
                ));
            }
            Record::Stop { reason, .. } => self.say(format!("after {}: {reason}", self.running)),
            Record::End { .. } => {
                self.ended += 1;
                if let Some(task) = &self.task {
                    task.set(self.ended as u64);
                }
            }
            _ => {}
        }
    }

    fn say(&mut self, line: String) {
        if !self.printed.contains(&line) {
            self.progress.line(&line);
            self.printed.insert(line);
        }
    }

    /// All rounds are over.
    pub fn done(mut self, rounds: usize) {
        let Some(task) = self.task.take() else { return };
        match self.rounds {
            Some(1) => task.done(format!("{} of {} cases", self.ended, self.cases)),
            _ => task.done(format!("{rounds} rounds of {} cases", self.cases)),
        }
    }
}
