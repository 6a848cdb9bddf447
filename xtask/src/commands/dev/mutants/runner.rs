//! Runs mutants: one guest after the other until a case of the contract fails.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use cases::protocol::CaseKey;
use harness::error::{Error, ErrorKind, Result};
use harness::guest::initramfs::GuestBinary;
use harness::judge::context::JudgeContext;
use harness::judge::guest_run::GuestRun;
use harness::judge::judged_run::judge_all;
use harness::judge::verdict::CaseVerdict;
use harness::kbuild::image::KernelImage;
use harness::session::accel::Accel;
use harness::session::fail_fast::StopAt;
use harness::session::guests::Session;
use mutants::case_order::{CaseHistory, History, order};
use mutants::outcome::{MutantOutcome, outcome, sentences};
use mutants::schemata::{CHOSEN, log_line, selection};

use super::mutant::{Mutant, MutantKernel};
use super::results::{CaseVerdictRecord, MutantResult, Results};
use super::workers::lock;

/// How many guests a mutant may have. One that loses every guest gives no new information.
const GUESTS: usize = 5;

/// What all mutants have in common.
pub struct MutantRunner<'a> {
    /// The guest program.
    pub guest: &'a GuestBinary,
    /// KVM or emulation.
    pub accel: Accel,
    /// How cases are judged.
    pub context: &'a JudgeContext,
    /// The cases.
    pub plan: &'a [CaseKey],
    /// How long each takes.
    pub times: &'a BTreeMap<CaseKey, u64>,
    /// Which cases caught which mutants.
    pub history: &'a Mutex<History>,
    /// Whether every case is run on every mutant.
    pub all_cases: bool,
}

impl MutantRunner<'_> {
    /// Runs a mutant in its kernel.
    ///
    /// # Errors
    /// As [`Session::record`], and [`ErrorKind::Internal`] when another mutant ran than the selected one.
    pub fn run(&self, mutant: &Mutant, image: &KernelImage, results: &Results) -> Result<MutantResult> {
        let about = &mutant.about;
        let plan = {
            let history = lock(self.history);
            order(self.plan, &about.clauses, &about.functions, CaseHistory { history: &history, times: self.times })
        };
        let number = match &mutant.place {
            MutantKernel::Joint(number, _) => Some(*number),
            _ => None,
        };
        let dir = results.guests(&about.id);
        let _ = fs::remove_dir_all(&dir);
        let session = Session {
            append: number.map(|number| format!("{CHOSEN}={}", selection(&[number]))).into_iter().collect(),
            stop_at: (!self.all_cases).then_some(StopAt::Violation),
            guests: (!self.all_cases).then_some(GUESTS),
            ..Session::new(image, self.guest, self.context, self.accel, &dir)
        };
        let start = Instant::now();
        let guests = session.record(&plan, |_| {})?;
        harness::host::process::check_interrupt()?;
        if let Some(number) = number {
            runs_selected(&guests, &[number])?;
        }
        let judged = judge_all(&plan, &guests, self.context)?;
        let outcome = outcome(&judged.verdicts, &about.clauses);
        if let (MutantOutcome::Caught { case, .. }, false) = (&outcome, about.is_correct()) {
            lock(self.history).note(&about.functions, case);
            // Recordings of missed mutants are kept for analysis.
            let _ = fs::remove_dir_all(&dir);
        }
        Ok(MutantResult {
            about: about.clone(),
            outcome,
            own_kernel: match &mutant.place {
                MutantKernel::Own(why) => Some(why.clone()),
                _ => None,
            },
            seconds: seconds(start.elapsed()),
            guests: guests.len(),
            cases: judged.verdicts.iter().filter(was_run).map(word).collect(),
        })
    }
}

/// Fails unless every guest that booted printed that these mutants were selected.
///
/// # Errors
/// [`ErrorKind::Internal`].
pub fn runs_selected(guests: &[GuestRun], numbers: &[usize]) -> Result<()> {
    for guest in guests {
        let booted = guest.transcript.kernel.is_some();
        let console = String::from_utf8_lossy(&guest.recording.console);
        if booted && !console.lines().any(|line| line.trim_end().ends_with(&log_line(numbers))) {
            return Err(Error::new(ErrorKind::Internal, "the kernel did not run the selected mutants")
                .cause(format!("its console lacks `{}`", log_line(numbers))));
        }
    }
    Ok(())
}

/// Whether a case was run.
pub fn was_run(verdict: &&CaseVerdict) -> bool {
    verdict.run.is_some() || !verdict.verdict.is_unrun()
}

/// What a case says about a mutant.
pub fn word(verdict: &CaseVerdict) -> CaseVerdictRecord {
    CaseVerdictRecord {
        case: verdict.key.clone(),
        clause: verdict.clause.clone(),
        judgement: verdict.judgement.clone(),
        verdict: verdict.verdict.word().into(),
        how: if verdict.verdict.is_as_expected() { Vec::new() } else { sentences(&verdict.verdict) },
    }
}

/// Seconds with one decimal.
pub fn seconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 10.0).round() / 10.0
}
