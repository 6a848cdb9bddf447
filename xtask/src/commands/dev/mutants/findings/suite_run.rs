//! A run of the whole suite on a kernel in which one mutant or several are wrong.

use std::fs;
use std::path::Path;
use std::time::Instant;

use cases::protocol::CaseKey;
use harness::error::Result;
use harness::findings::severity::Severity;
use harness::guest::initramfs::GuestBinary;
use harness::host::process::check_interrupt;
use harness::judge::context::JudgeContext;
use harness::judge::judged_run::judge_all;
use harness::judge::verdict::Verdict;
use harness::kbuild::image::KernelImage;
use harness::session::accel::Accel;
use harness::session::guest_directories::directories;
use harness::session::guests::{Session, load};
use harness::session::shares::CaseTimes;
use mutants::observed::{ObservedFinding, observed};
use mutants::schemata::{CHOSEN, selection};
use serde::{Deserialize, Serialize};

use super::super::mutant::{Mutant, MutantInfo, MutantKernel};
use super::super::prepared::Prepared;
use super::super::results::Results;
use super::super::runner::{runs_selected, seconds};

/// A finished run. Its recordings are kept and judged when a report is made, so a change of how the harness judges needs no new
/// run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SuiteRun {
    /// The mutants that were wrong.
    pub members: Vec<MutantInfo>,
    /// Wall time of its guests.
    pub seconds: f64,
    /// How many guests there were.
    pub guests: usize,
}

impl SuiteRun {
    /// The saved run of these mutants.
    pub fn saved(members: &[&Mutant], results: &Results) -> Option<SuiteRun> {
        let run: SuiteRun = results.of(&id(members))?;
        let same = run.members.iter().eq(members.iter().map(|mutant| &mutant.about));
        (same && results.guests(&id(members)).is_dir()).then_some(run)
    }
}

/// A run, and what the report of `cargo xtask test` says about it.
#[derive(Clone, Debug)]
pub struct JudgedSuiteRun {
    /// The run.
    pub run: SuiteRun,
    /// The findings, the worst first.
    pub findings: Vec<ObservedFinding>,
    /// Cases that hung or whose guest was lost.
    pub hung: Vec<CaseKey>,
}

/// The name of a run of these mutants.
pub fn id(members: &[&Mutant]) -> String {
    members.iter().map(|mutant| mutant.about.id.as_str()).collect::<Vec<_>>().join("+")
}

/// What all runs have in common.
#[derive(Clone, Copy)]
pub struct SuiteRunner<'a> {
    guest: &'a GuestBinary,
    accel: Accel,
    context: &'a JudgeContext,
    plan: &'a [CaseKey],
    times: &'a CaseTimes,
    jobs: usize,
}

impl<'a> SuiteRunner<'a> {
    /// Runs what was prepared, each run with at most so many guests at a time. `times` are those of the cases.
    pub fn new(prepared: &'a Prepared<'_>, times: &'a CaseTimes, jobs: usize) -> Self {
        SuiteRunner {
            guest: &prepared.guest,
            accel: prepared.acceleration.accel(),
            context: &prepared.context,
            plan: &prepared.plan,
            times,
            jobs,
        }
    }

    /// Runs the suite as `cargo xtask test` does, with these mutants selected, and saves the run.
    ///
    /// # Errors
    /// As [`Session::record`], and [`harness::error::ErrorKind::Internal`] when other mutants ran than the selected ones.
    pub fn run(&self, members: &[&Mutant], image: &KernelImage, results: &Results) -> Result<SuiteRun> {
        let numbers: Option<Vec<usize>> = members.iter().map(|mutant| number(mutant)).collect();
        let dir = results.guests(&id(members));
        let _ = fs::remove_dir_all(&dir);
        let session = Session {
            append: numbers.iter().map(|numbers| format!("{CHOSEN}={}", selection(numbers))).collect(),
            jobs: self.jobs,
            times: self.times.clone(),
            ..Session::new(image, self.guest, self.context, self.accel, &dir)
        };
        let start = Instant::now();
        let guests = session.record(self.plan, |_| {})?;
        check_interrupt()?;
        if let Some(numbers) = &numbers {
            runs_selected(&guests, numbers)?;
        }
        remove_programs(&dir);
        let run = SuiteRun {
            members: members.iter().map(|mutant| mutant.about.clone()).collect(),
            seconds: seconds(start.elapsed()),
            guests: guests.len(),
        };
        results.set(&id(members), &run)?;
        Ok(run)
    }

    /// Judges a run from its recordings.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn judge(&self, run: SuiteRun, members: &[&Mutant], results: &Results) -> Result<JudgedSuiteRun> {
        let judged = judge_all(self.plan, &load(&results.guests(&id(members)))?, self.context)?;
        let findings = observed(&judged.verdicts);
        let stuck = findings.iter().filter(|finding| finding.severity == Severity::Hang).map(|found| &found.case);
        let lost = judged.verdicts.iter().filter(|verdict| matches!(verdict.verdict, Verdict::Lost { .. }));
        let mut hung: Vec<CaseKey> = lost.map(|verdict| &verdict.key).chain(stuck).cloned().collect();
        hung.sort();
        hung.dedup();
        Ok(JudgedSuiteRun { run, findings, hung })
    }
}

/// The number that selects a mutant at boot; `None` for one in a kernel of its own.
fn number(mutant: &Mutant) -> Option<usize> {
    match mutant.place {
        MutantKernel::Joint(number, _) => Some(number),
        _ => None,
    }
}

/// The program is in every guest's initramfs and is not judged.
fn remove_programs(dir: &Path) {
    for guest in directories(dir) {
        let _ = fs::remove_file(guest.join("initramfs.cpio"));
    }
}
