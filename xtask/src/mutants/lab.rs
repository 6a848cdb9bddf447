//! Where mutants are run: one guest after the other until a case of the contract fails.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use cases::need::Need;
use cases::protocol::CaseKey;
use harness::accel::Accel;
use harness::complaint::allow::AllowList;
use harness::error::{Blame, Error, Result};
use harness::expectation::Expectations;
use harness::guest::Patience;
use harness::initramfs::GuestBinary;
use harness::kbuild::KernelImage;
use harness::mutant::order::{History, Known, order};
use harness::mutant::outcome::{Outcome, outcome, sentences};
use harness::mutant::schemata::{CHOSEN, said};
use harness::session::{GuestRun, Options, Session, Stop, Yardstick, judge_all};
use harness::transcript::Transcript;
use harness::verdict::{CaseVerdict, Verdict};

use super::mutant::{Mutant, Place};
use super::results::{CaseWord, Found, Results};

/// A mutant that loses guest after guest says the same every time.
const GUESTS: usize = 5;

/// What all mutants have in common.
pub struct Lab<'a> {
    /// The program.
    pub guest: &'a GuestBinary,
    /// How processors are run.
    pub accel: Accel,
    /// What the kernels have; the suite is planned for that.
    pub met: &'a BTreeSet<Need>,
    /// Reviewed transcripts.
    pub expectations: &'a Expectations,
    /// Complaints that are no news.
    pub allowed: &'a AllowList,
    /// The cases.
    pub plan: &'a [CaseKey],
    /// How long they take.
    pub times: &'a BTreeMap<CaseKey, u64>,
    /// What caught what.
    pub history: &'a Mutex<History>,
    /// Whether every case is run against every mutant.
    pub all_cases: bool,
}

impl Lab<'_> {
    /// Runs a mutant in its kernel.
    ///
    /// # Errors
    /// What a session can meet, and [`Blame::Internal`] when another mutant ran than the one that was meant.
    pub fn run(&self, mutant: &Mutant, image: &KernelImage, results: &Results) -> Result<Found> {
        let about = &mutant.about;
        let plan = {
            let history = lock(self.history);
            order(self.plan, &about.clauses, &about.functions, Known { history: &history, times: self.times })
        };
        let number = match &mutant.place {
            Place::Joint(number, _) => Some(*number),
            _ => None,
        };
        let yardstick = Yardstick { met: self.met, expectations: self.expectations, allowed: self.allowed };
        let dir = results.guests(&about.id);
        let _ = fs::remove_dir_all(&dir);
        let session = Session {
            kernel: &image.vmlinux,
            guest: self.guest,
            accel: self.accel,
            patience: Patience::default(),
            dir: &dir,
            append: number.map(|number| format!("{CHOSEN}={number}")).into_iter().collect(),
            options: Options {
                command_line: None,
                gdb: None,
                fail_fast: (!self.all_cases).then_some(yardstick),
                stop: Stop::Violation,
                guests: (!self.all_cases).then_some(GUESTS),
                qemu: None,
            },
        };
        let start = Instant::now();
        let guests = session.record(&plan, |_| {})?;
        harness::process::check_interrupt()?;
        is_the_one(&guests, number)?;
        let judged = judge_all(&plan, &guests, yardstick)?;
        let outcome = outcome(&judged.verdicts, &about.clauses);
        if let (Outcome::Caught { case, .. }, false) = (&outcome, about.is_correct()) {
            lock(self.history).note(&about.functions, case);
            // The recordings of what was missed are for whoever finds out why.
            let _ = fs::remove_dir_all(&dir);
        }
        Ok(Found {
            about: about.clone(),
            outcome,
            own_kernel: match &mutant.place {
                Place::Own(why) => Some(why.clone()),
                _ => None,
            },
            seconds: seconds(start.elapsed()),
            guests: guests.len(),
            cases: judged.verdicts.iter().filter(was_run).map(word).collect(),
        })
    }
}

/// Fails unless the kernel of every guest that came up said that this mutant was chosen.
///
/// # Errors
/// [`Blame::Internal`].
pub fn is_the_one(guests: &[GuestRun], number: Option<usize>) -> Result<()> {
    let Some(number) = number else { return Ok(()) };
    for guest in guests {
        let came_up = Transcript::parse(&guest.recording.results).kernel.is_some();
        let console = String::from_utf8_lossy(&guest.recording.console);
        if came_up && !console.lines().any(|line| line.trim_end().ends_with(&said(number))) {
            return Err(Error::new(Blame::Internal, "the kernel did not run the mutant that was chosen")
                .cause(format!("its console lacks `{}`", said(number))));
        }
    }
    Ok(())
}

fn was_run(verdict: &&CaseVerdict) -> bool {
    verdict.run.is_some() || !matches!(verdict.verdict, Verdict::NotRun { .. })
}

fn word(verdict: &CaseVerdict) -> CaseWord {
    CaseWord {
        case: verdict.key.clone(),
        clause: verdict.clause.clone(),
        judgement: verdict.judgement.clone(),
        verdict: verdict.verdict.word().into(),
        how: if verdict.verdict.is_as_expected() { Vec::new() } else { sentences(&verdict.verdict) },
    }
}

fn seconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 10.0).round() / 10.0
}

/// The content, whoever panicked while he had it.
pub fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
