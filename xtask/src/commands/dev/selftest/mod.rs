//! `cargo xtask selftest`: brings about every ending of a guest that is known, and proves that none passes unnoticed.

mod bench;
mod guests;
mod host;
mod row;

use std::sync::Mutex;
use std::time::Instant;

use cases::faults::{self, FaultCase, GuestTuning};
use harness::error::{Context, Error, ErrorKind, Result};
use harness::exit_code::ExitCode;
use harness::host::near::near;
use harness::host::process::check_interrupt;
use harness::host::style::detect;

use crate::flags::{SelftestArgs, TableFormat};
use crate::run::pipeline::Pipeline;
use bench::FaultBench;
use row::FaultRow;

/// Endings in one session: below the number of guests in a row after which a session gives a kernel up.
const BATCH: usize = 8;

/// A piece of work: endings that one session runs through, or one that the host brings about.
enum PlannedRun {
    Guests(GuestTuning, Vec<&'static FaultCase>),
    Host(&'static host::HostEnding),
}

/// Runs what the arguments ask for and prints the table.
///
/// # Errors
/// Whatever keeps endings from being brought about. That one was not noticed is no error, but exit code 1: it is a fault of
/// this program.
pub fn run(args: &SelftestArgs, quiet: bool) -> Result<ExitCode> {
    let chosen = select(&args.filters)?;
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
    let total = jobs.iter().map(PlannedRun::endings).sum::<usize>();
    let task = pipeline.progress.task("bringing about endings", Some(total as u64));
    // The first is taken last.
    jobs.reverse();
    let (jobs, rows) = (Mutex::new(jobs), Mutex::new(Vec::new()));
    let worker = |_: usize| -> Result<()> {
        while let Some(job) = { lock(&jobs).pop() } {
            check_interrupt()?;
            let new = match job {
                PlannedRun::Guests(setting, endings) => guests::batch(&bench, setting, &endings)?,
                PlannedRun::Host(ending) => vec![host::row(&bench, ending)?],
            };
            // What an interrupted guest seems to say is not what it would have said.
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
    let ends: Vec<Result<()>> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..args.jobs.max(1)).map(|number| scope.spawn(move || worker(number))).collect();
        workers
            .into_iter()
            .map(|worker| worker.join().unwrap_or_else(|_| Err(Error::new(ErrorKind::Internal, "a worker panicked"))))
            .collect()
    });
    let mut rows = rows.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    task.done(format!("{} endings", rows.len()));
    let order: Vec<&str> = all().map(|(name, ..)| name).collect();
    rows.sort_by_key(|row| order.iter().position(|name| *name == row.name));
    publish(&rows, args, start.elapsed().as_secs_f64())?;
    ends.into_iter().collect::<Result<()>>()?;
    let unnoticed = rows.iter().any(|row| !row.wrong.is_empty());
    if unnoticed {
        eprintln!("recordings: {}", bench.keep().display());
    }
    Ok(if unnoticed { ExitCode::Internal } else { ExitCode::AsExpected })
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Name, claim and expected word of every ending.
fn all() -> impl Iterator<Item = (&'static str, String, &'static str)> {
    let guests = faults::all().map(|ending| (ending.name(), ending.case.claim_text(), ending.expected.word()));
    guests.chain(host::ENDINGS.iter().map(|ending| (ending.name, ending.claim.to_string(), ending.expected)))
}

fn select(filters: &[String]) -> Result<Vec<(&'static str, String, &'static str)>> {
    for filter in filters {
        if !all().any(|(name, ..)| name.contains(filter.as_str())) {
            let names: Vec<&str> = all().map(|(name, ..)| name).collect();
            let meant = near(filter, &names);
            let next = match meant.is_empty() {
                true => "`cargo xtask selftest --list` shows every ending.".to_string(),
                false => format!("Did you mean {}?", meant.join(" or ")),
            };
            return Err(Error::new(ErrorKind::Usage, format!("no ending fits {filter}")).next(next));
        }
    }
    let fits = |name: &str| filters.is_empty() || filters.iter().any(|filter| name.contains(filter.as_str()));
    Ok(all().filter(|(name, ..)| fits(name)).collect())
}

/// The work, the longest pieces first.
fn jobs(chosen: &impl Fn(&str) -> bool) -> Vec<PlannedRun> {
    let mut jobs = Vec::new();
    for setting in [GuestTuning::Stalls, GuestTuning::Detectors, GuestTuning::Patient, GuestTuning::Brief] {
        let fit = faults::all().filter(|ending| ending.setting == setting && chosen(ending.name()));
        let fit: Vec<&FaultCase> = fit.collect();
        jobs.extend(fit.chunks(BATCH).map(|endings| PlannedRun::Guests(setting, endings.to_vec())));
    }
    jobs.extend(host::ENDINGS.iter().filter(|ending| chosen(ending.name)).map(PlannedRun::Host));
    jobs
}

impl PlannedRun {
    fn endings(&self) -> usize {
        match self {
            PlannedRun::Guests(_, endings) => endings.len(),
            PlannedRun::Host(_) => 1,
        }
    }
}

fn publish(rows: &[FaultRow], args: &SelftestArgs, seconds: f64) -> Result<()> {
    match args.format {
        TableFormat::Terminal => print!("{}", row::table(rows, seconds, detect())),
        TableFormat::Json => {
            let json = row::json(rows, seconds).context(ErrorKind::Internal, || "encoding the table".into())?;
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
    fn every_ending_has_a_name_of_its_own() {
        let names: Vec<&str> = all().map(|(name, ..)| name).collect();
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len(), "{names:?}");
    }

    #[test]
    fn every_ending_is_somebodys_job() {
        assert_eq!(jobs(&|_| true).iter().map(PlannedRun::endings).sum::<usize>(), all().count());
    }

    #[test]
    fn a_misspelt_ending_gets_an_offer() {
        let error = select(&["tripel_fault".to_string()]).unwrap_err();
        assert!(error.to_string().contains("Did you mean triple_fault"), "{error}");
    }
}
