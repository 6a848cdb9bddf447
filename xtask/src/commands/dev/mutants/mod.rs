//! `cargo xtask dev mutants`: builds wrong kernels and shows which of them the suite catches; with `--correct`, builds correct
//! ones and shows which cases fail on them.

mod case_matrix;
mod correct;
mod kernels;
mod mutant;
mod mutant_list;
mod report;
mod results;
mod runner;
pub mod upstream;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::time::Instant;

use cases::protocol::CaseKey;
use harness::error::{Context, Error, ErrorKind, Result};
use harness::exit_code::ExitCode;
use harness::guest::initramfs::GuestBinary;
use harness::host::process::check_interrupt;
use harness::judge::context::JudgeContext;
use harness::judge::judged_run::judge_all;
use harness::kbuild::image::KernelImage;
use harness::session::accel::Acceleration;
use harness::session::guests::Session;
use mutants::equivalent;
use mutants::outcome::MutantOutcome;
use mutants::schemata::CHOSEN;

use crate::flags::{MutantsArgs, TableFormat};
use crate::run::job::{context, setting};
use crate::run::pipeline::{BuiltKernel, Pipeline};
use crate::run::plan;
use crate::workspace;
use mutant::{Mutant, MutantKernel};
use report::{Report, code};
use results::{Baseline, MutantResult, Results};
use runner::{MutantRunner, is_the_one, lock};

/// The exit code for an invalid command line of this command; `None` for one of another command.
pub fn of_usage() -> Option<u8> {
    let command = std::env::args().skip(1).find(|word| word != "dev" && !word.starts_with('-'));
    (command.as_deref() == Some("mutants")).then_some(code::USAGE)
}

/// The exit code for an error: as in cargo-mutants, where it has one.
pub fn of_error(error: &Error, own: ExitCode) -> u8 {
    match error.kind {
        ErrorKind::Usage => code::USAGE,
        ErrorKind::Internal => code::INTERNAL,
        _ => own.number(),
    }
}

/// Runs what the arguments ask for and prints the report.
///
/// # Errors
/// When mutants cannot be run. A missed mutant is not an error.
pub fn run(args: &MutantsArgs, quiet: bool) -> Result<u8> {
    let start = Instant::now();
    let pipeline = Pipeline::open(quiet)?;
    let tree = pipeline.tree(&args.kernel)?;
    let task = pipeline.progress.task("making mutants", None);
    let mutants = mutant_list::all(&tree, &pipeline.store, args)?;
    task.done(format!("{} mutants", mutants.len()));
    if args.history {
        mutant_list::elsewhere(&tree, args.from.as_deref())?.iter().for_each(|line| pipeline.progress.line(line));
    }
    let chosen = mutant_list::chosen(&mutants, &tree.patched, args)?;
    if args.list {
        return list(&mutants, &chosen, args);
    }
    let joint = kernels::joint(&pipeline, &tree, &mutants)?;
    let mut kernel_seconds = start.elapsed().as_secs_f64();
    let guest = pipeline.guest_program()?;
    let context = context(&joint.image)?;
    let (plan, _) = plan::about(plan::select(&[], false, &[])?, &context.met);
    let mut acceleration = pipeline.acceleration(args.accel, &joint.image.vmlinux)?;
    let all_cases = args.all_cases || args.correct;
    let results = Results::open(&joint.image, &guest, &plan, all_cases)?;
    let baseline = match results.baseline().filter(|_| !args.anew) {
        Some(baseline) => baseline,
        None => match baseline(&pipeline, &mut acceleration, &joint.image, &guest, &plan, &context, &results)? {
            Some(baseline) => baseline,
            None => return Ok(code::BASELINE),
        },
    };
    let (history, times) = (Mutex::new(results::history()), results::times(&baseline));
    let runner = MutantRunner {
        guest: &guest,
        accel: acceleration.accel(),
        context: &context,
        plan: &plan,
        times: &times,
        history: &history,
        all_cases,
    };
    let settled = settled(&mutants, &chosen, &joint.settled)?;
    let wanted: Vec<&Mutant> = mutants.iter().filter(|mutant| chosen.contains(&mutant.about.id)).collect();
    let mut found: Vec<MutantResult> = wanted.iter().filter_map(|mutant| known(mutant, &settled)).collect();
    let mut jobs: Vec<PlannedRun<'_>> = Vec::new();
    for mutant in wanted.iter().filter(|mutant| !settled.contains_key(&mutant.about.id)) {
        let (image, results) = match &mutant.place {
            MutantKernel::Joint(..) => (joint.image.clone(), results.clone()),
            _ => {
                let begun = Instant::now();
                let image = match kernels::own(&pipeline, &tree, mutant) {
                    Ok(image) => image,
                    Err(error) if error.kind == ErrorKind::Build => {
                        found.push(unrun(mutant, MutantOutcome::Unviable { why: error.title }));
                        continue;
                    }
                    Err(error) => return Err(error),
                };
                kernel_seconds += begun.elapsed().as_secs_f64();
                let results = Results::open(&image, &guest, &plan, all_cases)?;
                (image, results)
            }
        };
        match results.of(&mutant.about.id).filter(|known| known.about == mutant.about && !args.anew) {
            Some(known) => found.push(known),
            None => jobs.push(PlannedRun { mutant, image, results }),
        }
    }
    found.extend(work(&runner, &pipeline, jobs, args.jobs)?);
    results::set_history(&lock(&history))?;
    found.sort_by_key(|found| mutants.iter().position(|mutant| mutant.about.id == found.about.id));
    if !found.iter().any(|found| found.outcome.is_tested()) {
        return Err(Error::new(ErrorKind::Usage, "none of the selected mutants was run")
            .cause("each does not compile, or is known to be equivalent to the original or to another one")
            .next("`cargo xtask mutants --list` lists all mutants."));
    }
    let made = BuiltKernel {
        image: joint.image.clone(),
        kernel: tree.spec.id.clone(),
        series: tree.series.name.clone(),
        built: false,
        notes: Vec::new(),
        patches: Vec::new(),
        seconds: kernel_seconds,
    };
    let setting = setting(&made, acceleration.text());
    let seconds = start.elapsed().as_secs_f64();
    let (text, json, exit_code) = if args.correct {
        let report = correct::CorrectReport::new(setting, seconds, &mutant_list::correct(&tree, args)?, &found);
        (report.text(), encoded(&report)?, report.exit_code())
    } else {
        let report = Report::new(setting, args.all_cases, (seconds, kernel_seconds), found);
        (report.text(), encoded(&report)?, report.exit_code())
    };
    // The report of a selection does not replace the report of all mutants.
    let name = if chosen.len() == mutants.len() { "report.json" } else { "report-part.json" };
    let path = results.dir().join(name);
    std::fs::write(&path, json.clone() + "\n").map_err(|error| harness::error::io(&error, "writing", &path))?;
    match args.format {
        TableFormat::Terminal => print!("{text}"),
        TableFormat::Json => println!("{json}"),
    }
    eprintln!("report: {}", path.display());
    Ok(exit_code)
}

fn encoded(report: &impl serde::Serialize) -> Result<String> {
    serde_json::to_string_pretty(report).context(ErrorKind::Internal, || "encoding the report".into())
}

fn list(mutants: &[Mutant], chosen: &[String], args: &MutantsArgs) -> Result<u8> {
    let abouts: Vec<_> =
        mutants.iter().map(|mutant| &mutant.about).filter(|about| chosen.contains(&about.id)).collect();
    if args.format == TableFormat::Json {
        println!(
            "{}",
            serde_json::to_string_pretty(&abouts).context(ErrorKind::Internal, || "encoding the list".into())?
        );
        return Ok(code::CAUGHT);
    }
    for about in &abouts {
        println!("{}  {}  {}: {}", about.id, about.place(), about.made_by, about.wrong);
    }
    println!("{} mutants", abouts.len());
    Ok(code::CAUGHT)
}

/// Runs every case on the joint kernel with no mutant selected. Returns `None` unless all verdicts are as expected: otherwise
/// verdicts on mutants would mean nothing.
fn baseline(
    pipeline: &Pipeline,
    acceleration: &mut Acceleration,
    image: &KernelImage,
    guest: &GuestBinary,
    plan: &[CaseKey],
    context: &JudgeContext,
    results: &Results,
) -> Result<Option<Baseline>> {
    let start = Instant::now();
    let task = pipeline.progress.task("the kernel without a mutant", None);
    let dir = results.guests("none");
    let _ = std::fs::remove_dir_all(&dir);
    let session = Session {
        append: vec![format!("{CHOSEN}=0")],
        ..Session::new(image, guest, context, acceleration.accel(), &dir)
    };
    let guests = acceleration.record(&session, plan, |_| {})?;
    check_interrupt()?;
    is_the_one(&guests, Some(0))?;
    let judged = judge_all(plan, &guests, context)?;
    let wrong: Vec<_> = judged.verdicts.iter().filter(|verdict| !verdict.verdict.is_as_expected()).collect();
    if !wrong.is_empty() || !judged.protocol_errors.is_empty() {
        for verdict in &wrong {
            eprintln!("{} {}: {:?}", verdict.verdict.word(), verdict.key, verdict.verdict);
        }
        judged.protocol_errors.iter().for_each(|error| eprintln!("protocol error: {error}"));
        eprintln!(
            "Verdicts on the kernel without a mutant are not as expected, so verdicts on mutants would mean nothing."
        );
        eprintln!("recordings: {}", dir.display());
        return Ok(None);
    }
    let runs = judged.verdicts.iter().filter_map(|verdict| verdict.run.as_ref());
    let times = runs.map(|run| (run.key.clone(), run.ms)).collect();
    let baseline = Baseline { times, seconds: start.elapsed().as_secs_f64() };
    results.set_baseline(&baseline)?;
    task.done(format!("all {} cases as expected", judged.verdicts.len()));
    Ok(Some(baseline))
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
    pipeline: &Pipeline,
    mut jobs: Vec<PlannedRun<'_>>,
    workers: usize,
) -> Result<Vec<MutantResult>> {
    let task = pipeline.progress.task("running mutants", Some(jobs.len() as u64));
    // Workers take from the end.
    jobs.reverse();
    let (jobs, found) = (Mutex::new(jobs), Mutex::new(Vec::new()));
    let worker = || -> Result<()> {
        while let Some(PlannedRun { mutant, image, results }) = { lock(&jobs).pop() } {
            check_interrupt()?;
            task.message(&mutant.about.id);
            let new = runner.run(mutant, &image, &results)?;
            results.set(&new)?;
            results::set_history(&lock(runner.history))?;
            if new.about.is_correct() {
                let complaints = new.cases.iter().filter(|word| !word.how.is_empty()).count();
                pipeline.progress.line(format!("{}: {complaints} not as expected", new.about.id));
            } else if !matches!(new.outcome, MutantOutcome::Caught { expected: None | Some(true), .. }) {
                let line =
                    format!("{} {} {}: {}", new.outcome.word(), new.about.id, new.about.place(), new.about.wrong);
                pipeline.progress.line(line);
            }
            let mut found = lock(&found);
            found.push(new);
            task.set(found.len() as u64);
        }
        Ok(())
    };
    let results: Vec<Result<()>> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(worker)).collect();
        let panicked = |_| Err(Error::new(ErrorKind::Internal, "a worker panicked"));
        workers.into_iter().map(|worker| worker.join().unwrap_or_else(panicked)).collect()
    });
    results.into_iter().collect::<Result<()>>()?;
    let found = found.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    task.done(format!("{} mutants", found.len()));
    Ok(found)
}
