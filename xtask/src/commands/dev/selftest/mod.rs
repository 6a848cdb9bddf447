//! `cargo xtask dev selftest`: causes every known kind of crash, hang and other fault, and checks that each is detected.

mod bench;
mod guests;
mod host;
mod result_table;

use std::sync::Mutex;
use std::time::Instant;

use cases::faults::{self, FaultCase, GuestTuning};
use harness::error::{Context, Error, ErrorKind, Result};
use harness::exit_code::ExitCode;
use harness::host::arch::{Arch, X86_64};
use harness::host::process::check_interrupt;
use harness::host::similar_names::similar_names;
use harness::host::style::detect;

use crate::flags::{SelftestArgs, TableFormat};
use crate::run::pipeline::Pipeline;
use bench::FaultBench;
use result_table::FaultRow;

/// Fault cases in one session: fewer than the number of lost guests in a row after which a session stops.
const BATCH: usize = 8;

/// The fault case that is none where [`Arch::division_traps`] is false.
const DIVISION: &str = "divide_by_zero";

/// A job: fault cases of one session, or one that the host causes.
enum PlannedRun {
    Guests(GuestTuning, Vec<&'static FaultCase>),
    Host(&'static host::HostFault),
}

/// Runs what the arguments ask for and prints the table.
///
/// # Errors
/// When fault cases cannot be run. One that was not detected is not an error but exit code 1: a bug in the suite.
pub fn run(args: &SelftestArgs, quiet: bool) -> Result<ExitCode> {
    let chosen = select(&args.filters, args.arch.unwrap_or(&X86_64))?;
    if args.list {
        for (name, claim, expected) in &chosen {
            println!("{name:<30} {expected:<9} {claim}");
        }
        return Ok(ExitCode::AsExpected);
    }
    let chosen = |name: &str| chosen.iter().any(|(known, ..)| *known == name);
    let pipeline = Pipeline::open(quiet)?;
    let start = Instant::now();
    let bench = FaultBench::open(&pipeline, args)?;
    let mut jobs = jobs(&chosen);
    let total = jobs.iter().map(PlannedRun::count).sum::<usize>();
    let task = pipeline.progress.task("running fault cases", Some(total as u64));
    // Workers take from the end.
    jobs.reverse();
    let (jobs, rows) = (Mutex::new(jobs), Mutex::new(Vec::new()));
    let worker = |_: usize| -> Result<()> {
        while let Some(job) = { lock(&jobs).pop() } {
            check_interrupt()?;
            let new = match job {
                PlannedRun::Guests(setting, faults) => guests::batch(&bench, setting, &faults)?,
                PlannedRun::Host(fault) => vec![host::row(&bench, fault)?],
            };
            // Results of an interrupted guest mean nothing.
            check_interrupt()?;
            for missed in new.iter().filter(|row| !row.wrong.is_empty()) {
                pipeline.progress.line(format!("{}: {}", missed.name, missed.wrong.join("; ")));
            }
            let mut rows = lock(&rows);
            rows.extend(new);
            task.set(rows.len() as u64);
        }
        Ok(())
    };
    let results: Vec<Result<()>> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..args.jobs.max(1)).map(|number| scope.spawn(move || worker(number))).collect();
        workers
            .into_iter()
            .map(|worker| worker.join().unwrap_or_else(|_| Err(Error::new(ErrorKind::Internal, "a worker panicked"))))
            .collect()
    });
    let mut rows = rows.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    task.done(format!("{} fault cases", rows.len()));
    let order: Vec<&str> = all().map(|(name, ..)| name).collect();
    rows.sort_by_key(|row| order.iter().position(|name| *name == row.name));
    publish(&rows, args, start.elapsed().as_secs_f64())?;
    results.into_iter().collect::<Result<()>>()?;
    let undetected = rows.iter().any(|row| !row.wrong.is_empty());
    if undetected {
        eprintln!("recordings: {}", bench.keep().display());
    }
    Ok(if undetected { ExitCode::Internal } else { ExitCode::AsExpected })
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Name, claim and expected verdict of every fault case.
fn all() -> impl Iterator<Item = (&'static str, String, &'static str)> {
    let guests = faults::all().map(|fault| (fault.name(), fault.case.claim_text(), fault.expected.word()));
    guests.chain(host::FAULTS.iter().map(|fault| (fault.name, fault.claim.to_string(), fault.expected)))
}

fn select(filters: &[String], arch: &Arch) -> Result<Vec<(&'static str, String, &'static str)>> {
    for filter in filters {
        if !all().any(|(name, ..)| name.contains(filter.as_str())) {
            let names: Vec<&str> = all().map(|(name, ..)| name).collect();
            let similar = similar_names(filter, &names);
            let next = match similar.is_empty() {
                true => "`cargo xtask selftest --list` lists all fault cases.".to_string(),
                false => format!("Did you mean {}?", similar.join(" or ")),
            };
            return Err(Error::new(ErrorKind::Usage, format!("no fault case matches {filter}")).next(next));
        }
    }
    let exists = |name: &str| arch.division_traps || name != DIVISION;
    let fits = |name: &str| {
        exists(name) && (filters.is_empty() || filters.iter().any(|filter| name.contains(filter.as_str())))
    };
    Ok(all().filter(|(name, ..)| fits(name)).collect())
}

/// The jobs, the longest ones first.
fn jobs(chosen: &impl Fn(&str) -> bool) -> Vec<PlannedRun> {
    let mut jobs = Vec::new();
    for setting in [GuestTuning::Stalls, GuestTuning::Detectors, GuestTuning::Patient, GuestTuning::Brief] {
        let fit = faults::all().filter(|fault| fault.setting == setting && chosen(fault.name()));
        let fit: Vec<&FaultCase> = fit.collect();
        jobs.extend(fit.chunks(BATCH).map(|batch| PlannedRun::Guests(setting, batch.to_vec())));
    }
    jobs.extend(host::FAULTS.iter().filter(|fault| chosen(fault.name)).map(PlannedRun::Host));
    jobs
}

impl PlannedRun {
    fn count(&self) -> usize {
        match self {
            PlannedRun::Guests(_, faults) => faults.len(),
            PlannedRun::Host(_) => 1,
        }
    }
}

fn publish(rows: &[FaultRow], args: &SelftestArgs, seconds: f64) -> Result<()> {
    match args.format {
        TableFormat::Terminal => print!("{}", result_table::table(rows, seconds, detect())),
        TableFormat::Json => {
            let json =
                result_table::json(rows, seconds).context(ErrorKind::Internal, || "encoding the table".into())?;
            println!("{json}");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_of_fault_cases_are_unique() {
        let names: Vec<&str> = all().map(|(name, ..)| name).collect();
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len(), "{names:?}");
    }

    #[test]
    fn every_fault_case_is_in_a_job() {
        assert_eq!(jobs(&|_| true).iter().map(PlannedRun::count).sum::<usize>(), all().count());
    }

    #[test]
    fn a_misspelt_fault_case_gets_a_suggestion() {
        let error = select(&["stack_overlfow".to_string()], &X86_64).unwrap_err();
        assert!(error.to_string().contains("Did you mean stack_overflow"), "{error}");
    }
}
