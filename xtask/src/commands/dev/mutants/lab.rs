//! Where mutants are run: one guest after the other until a case of the contract fails.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use cases::need::Need;
use cases::protocol::CaseKey;
use harness::build::kbuild::KernelImage;
use harness::error::{Blame, Error, Result};
use harness::guest::initramfs::GuestBinary;
use harness::guest::qemu::Patience;
use harness::judge::complaint::allow::AllowList;
use harness::judge::context::JudgeContext;
use harness::judge::expectation::Expectations;
use harness::judge::guest_run::GuestRun;
use harness::judge::judged::judge_all;
use harness::judge::transcript::Transcript;
use harness::judge::verdict::{CaseVerdict, Verdict};
use harness::session::accel::Accel;
use harness::session::fail_fast::{FailFast, Stop};
use harness::session::guests::{Options, Session};
use mutants::order::{History, Known, order};
use mutants::outcome::{Outcome, outcome};
use mutants::schemata::{CHOSEN, said};

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
        let yardstick = JudgeContext { met: self.met, expectations: self.expectations, allowed: self.allowed };
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
                fail_fast: (!self.all_cases).then_some(FailFast { context: yardstick, stop: Stop::Violation }),
                guests: (!self.all_cases).then_some(GUESTS),
                qemu: None,
            },
        };
        let start = Instant::now();
        let guests = session.record(&plan, |_| {})?;
        harness::host::process::check_interrupt()?;
        is_the_one(&guests, number)?;
        let judged = judge_all(&plan, &guests, yardstick)?;
        let outcome = outcome(&judged.verdicts, &about.clauses);
        if let Outcome::Caught { case, .. } = &outcome {
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
    }
}

fn seconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 10.0).round() / 10.0
}

/// The content, whoever panicked while he had it.
pub fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
