//! Runs mutants one by one and shows which of them a case catches; with `--correct`, which cases fail on correct implementations.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use harness::error::{Error, ErrorKind, Result};
use harness::kbuild::image::KernelImage;
use mutants::equivalent;
use mutants::outcome::MutantOutcome;

use super::correct::CorrectReport;
use super::mutant::{Mutant, MutantKernel};
use super::mutant_list;
use super::prepared::Prepared;
use super::report::{Printed, Report};
use super::results::{self, MutantResult, Results, RunMode};
use super::runner::MutantRunner;
use super::workers::{in_parallel, lock};
use crate::flags::MutantsArgs;
use crate::workspace;

/// Runs the chosen mutants. Returns `None` if verdicts without a mutant are not as expected.
///
/// # Errors
/// When mutants cannot be run. A missed mutant is not an error.
pub fn run(
    mut prepared: Prepared<'_>,
    mutants: &[Mutant],
    chosen: &[String],
    args: &MutantsArgs,
) -> Result<Option<Printed>> {
    let mode = if args.all_cases || args.correct { RunMode::AllCases } else { RunMode::FirstViolation };
    let results = prepared.results(mode)?;
    let Some(baseline) = prepared.baseline(&results, args.anew)? else { return Ok(None) };
    let settled = settled(mutants, chosen, &prepared.joint.settled)?;
    let wanted: Vec<&Mutant> = mutants.iter().filter(|mutant| chosen.contains(&mutant.about.id)).collect();
    let mut found: Vec<MutantResult> = wanted.iter().filter_map(|mutant| known(mutant, &settled)).collect();
    let mut jobs: Vec<PlannedRun<'_>> = Vec::new();
    for mutant in wanted.iter().filter(|mutant| !settled.contains_key(&mutant.about.id)) {
        let (image, results) = match prepared.kernel_of(mutant, mode)? {
            Ok(kernel) => kernel,
            Err(outcome) => {
                found.push(unrun(mutant, outcome));
                continue;
            }
        };
        let saved = results.of(&mutant.about.id);
        match saved.filter(|known: &MutantResult| known.about == mutant.about && !args.anew) {
            Some(known) => found.push(known),
            None => jobs.push(PlannedRun { mutant, image, results }),
        }
    }
    let (history, times) = (Mutex::new(results::history()), results::times(&baseline));
    let runner = MutantRunner {
        guest: &prepared.guest,
        accel: prepared.acceleration.accel(),
        context: &prepared.context,
        plan: &prepared.plan,
        times: &times,
        history: &history,
        all_cases: mode == RunMode::AllCases,
    };
    found.extend(work(&runner, &prepared, jobs, args.jobs)?);
    results::set_history(&lock(&history))?;
    found.sort_by_key(|found| mutants.iter().position(|mutant| mutant.about.id == found.about.id));
    if !found.iter().any(|found| found.outcome.is_tested()) {
        return Err(Error::new(ErrorKind::Usage, "none of the selected mutants was run")
            .cause("each does not compile, or is known to be equivalent to the original or to another one")
            .next("`cargo xtask dev mutants --list` lists all mutants."));
    }
    let setting = prepared.setting();
    let seconds = prepared.start.elapsed().as_secs_f64();
    // The report of a selection does not replace the report of all mutants.
    let name = if chosen.len() == mutants.len() { "report.json" } else { "report-part.json" };
    let path = results.dir().join(name);
    Ok(Some(if args.correct {
        let report = CorrectReport::new(setting, seconds, &mutant_list::correct(prepared.tree, args)?, &found);
        Printed::new(&report, report.text(), report.exit_code(), path)?
    } else {
        let report = Report::new(setting, args.all_cases, (seconds, prepared.kernel_seconds), found);
        Printed::new(&report, report.text(), report.exit_code(), path)?
    }))
}

/// Mutants that need no guest, by id: settled by the compiler or by mutants/equivalent.toml.
fn settled(
    mutants: &[Mutant],
    chosen: &[String],
    joint: &BTreeMap<usize, MutantOutcome>,
) -> Result<BTreeMap<String, MutantOutcome>> {
    let mut settled = BTreeMap::new();
    for mutant in mutants {
        let outcome = match &mutant.place {
            MutantKernel::Joint(number, _) => joint.get(number).cloned(),
            MutantKernel::Own(_) => None,
            MutantKernel::None(why) => Some(MutantOutcome::Unviable { why: why.clone() }),
        };
        settled.extend(outcome.map(|outcome| (mutant.about.id.clone(), outcome)));
    }
    let ids: BTreeSet<&str> = mutants.iter().map(|mutant| mutant.about.id.as_str()).collect();
    for line in equivalent::load(&workspace::mutants().join("equivalent.toml"))? {
        if ids.contains(line.id.as_str()) {
            let reason = line.reason;
            let why =
                if line.outside { MutantOutcome::Outside { reason } } else { MutantOutcome::Equivalent { reason } };
            settled.entry(line.id).or_insert(why);
        }
    }
    // A duplicate is settled only if the mutant that it duplicates is selected too.
    settled.retain(|_, outcome| !matches!(outcome, MutantOutcome::Duplicate { of } if !chosen.contains(of)));
    Ok(settled)
}

fn known(mutant: &Mutant, settled: &BTreeMap<String, MutantOutcome>) -> Option<MutantResult> {
    settled.get(&mutant.about.id).map(|outcome| unrun(mutant, outcome.clone()))
}

fn unrun(mutant: &Mutant, outcome: MutantOutcome) -> MutantResult {
    let about = mutant.about.clone();
    MutantResult { about, outcome, own_kernel: None, seconds: 0.0, guests: 0, cases: Vec::new() }
}

/// A mutant to be run in guests.
struct PlannedRun<'a> {
    mutant: &'a Mutant,
    image: KernelImage,
    results: Results,
}

/// Runs all, `workers` at a time, and saves each result as soon as it is known.
fn work(
    runner: &MutantRunner<'_>,
    prepared: &Prepared<'_>,
    jobs: Vec<PlannedRun<'_>>,
    workers: usize,
) -> Result<Vec<MutantResult>> {
    let progress = &prepared.pipeline.progress;
    let task = progress.task("running mutants", Some(jobs.len() as u64));
    let done = Mutex::new(0);
    let found = in_parallel(jobs, workers, |PlannedRun { mutant, image, results }| {
        task.message(&mutant.about.id);
        let new = runner.run(mutant, &image, &results)?;
        results.set(&new.about.id, &new)?;
        results::set_history(&lock(runner.history))?;
        if new.about.is_correct() {
            let complaints = new.cases.iter().filter(|word| !word.how.is_empty()).count();
            progress.line(format!("{}: {complaints} not as expected", new.about.id));
        } else if !matches!(new.outcome, MutantOutcome::Caught { expected: None | Some(true), .. }) {
            let line = format!("{} {} {}: {}", new.outcome.word(), new.about.id, new.about.place(), new.about.wrong);
            progress.line(line);
        }
        let mut done = lock(&done);
        *done += 1;
        task.set(*done);
        Ok(new)
    })?;
    task.done(format!("{} mutants", found.len()));
    Ok(found)
}
