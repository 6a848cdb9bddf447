//! `cargo xtask test`: from the command line to a report.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use cases::need::Need;
use harness::complaint::allow::AllowList;
use harness::error::{Blame, Context, Result, io};
use harness::exit_code::ExitCode;
use harness::expectation::Expectations;
use harness::guest::Patience;
use harness::kbuild::KernelImage;
use harness::kernel_range::Release;
use harness::report::{ktap, style::Style, terminal};
use harness::run_report::{RunReport, SCHEMA, Setting, Timing};
use harness::session::{Options, Session, Yardstick};
use harness::spec::Kernels;
use harness::verdict::{CaseVerdict, Verdict};

use crate::flags::{Format, TestArgs};
use crate::pipeline::{Made, Pipeline};
use crate::rounds::{Done, Sessions};
use crate::{plan, workspace};

/// Runs of which the recordings are kept.
const KEPT: usize = 20;

/// Runs the cases that the arguments ask for and prints the report.
///
/// # Errors
/// Whatever keeps the run from being judged. What the judgement is, is no error.
pub fn run(args: &TestArgs, quiet: bool) -> Result<ExitCode> {
    let chosen = plan::select(&args.filters, args.exact, &args.skip)?;
    let pipeline = Pipeline::open(quiet)?;
    let made = pipeline.kernel(&args.kernel)?;
    let met = met(&made.image)?;
    let (plan, elsewhere) = plan::about(chosen, &met)?;
    let start = Instant::now();
    let guest = pipeline.guest_program()?;
    let guest_program = start.elapsed().as_secs_f64();

    let dir = run_directory()?;
    let mut acceleration = pipeline.acceleration(args.accel, &made.image)?;
    let kernels = Kernels::load(&workspace::kernels())?;
    let allowed = AllowList::built_in()?;
    let expectations = Expectations::new(&workspace::snapshots()).on(&made.image.facts.version, kernels.default_id());
    let mut sessions = Sessions {
        session: Session {
            kernel: &made.image.vmlinux,
            guest: &guest,
            accel: acceleration.accel(),
            patience: Patience::default(),
            dir: &dir,
            append: Vec::new(),
            options: Options::default(),
        },
        acceleration: &mut acceleration,
        yardstick: Yardstick { met: &met, expectations: &expectations, allowed: &allowed },
        progress: &pipeline.progress,
    };
    let start = Instant::now();
    let Done { merged, guests } = sessions.run(&plan, &args.repeat)?;
    let timing = Timing { kernel: made.seconds, guest_program, guests: start.elapsed().as_secs_f64() };

    propose(&merged.verdicts, &expectations)?;
    let report = RunReport {
        schema: SCHEMA,
        setting: setting(&made, acceleration.text()),
        verdicts: merged.verdicts,
        oddities: merged.oddities,
        guests,
        timing,
        interrupted: merged.interrupted,
        elsewhere,
        rounds: merged.rounds,
    };
    publish(&report, args, &dir)?;
    Ok(report.exit_code())
}

/// What this kernel has to have: what its configuration and its version bring, and the ioctl exactly when its own header
/// defines it.
///
/// # Errors
/// When the image's configuration cannot be read.
pub fn met(image: &KernelImage) -> Result<BTreeSet<Need>> {
    let path = image.dir.join("config");
    let config = fs::read_to_string(&path).map_err(|error| io(&error, "reading", &path))?;
    let on = |option: &str| config.lines().any(|line| line.strip_prefix(option) == Some("=y"));
    let release = Release::of(&image.facts.version);
    let new_enough = |since: &str| release >= Release::of(since);
    let met = Need::ALL.iter().copied().filter(|need| match need {
        Need::Derive => image.facts.defines_derive,
        Need::NoDerive => !image.facts.defines_derive,
        need => need.option().is_none_or(on) && need.since().is_none_or(new_enough),
    });
    Ok(met.collect())
}

/// What was run, for a report.
pub fn setting(made: &Made, accel: &str) -> Setting {
    Setting {
        kernel: made.kernel.clone(),
        version: made.image.facts.version.clone(),
        origin: made.image.facts.origin.clone(),
        series: made.series.clone(),
        flavour: made.image.facts.flavour.clone(),
        accel: accel.to_string(),
        image: made.image.facts.key.clone(),
        built: made.built,
    }
}

/// Leaves new and different transcripts where `cargo insta review` finds them. A transcript of a failed case is never
/// proposed: nobody should come to accept it.
fn propose(verdicts: &[CaseVerdict], expectations: &Expectations) -> Result<()> {
    for verdict in verdicts {
        let Some(run) = &verdict.run else { continue };
        match verdict.verdict {
            Verdict::Unreviewed | Verdict::Differs { .. } => expectations.propose(&run.key, &run.text()).map(drop)?,
            Verdict::Pass | Verdict::ExpectedHazard { .. } => expectations.withdraw(&verdict.key),
            _ => {}
        }
    }
    Ok(())
}

fn publish(report: &RunReport, args: &TestArgs, dir: &Path) -> Result<()> {
    let json = serde_json::to_string_pretty(report).context(Blame::Internal, || "encoding the report".into())? + "\n";
    write(&dir.join("report.json"), &json)?;
    let repeat = |verdict: &CaseVerdict| again(verdict, args);
    write(&dir.join("report.txt"), &terminal::render(report, Style::Plain, repeat))?;
    match args.format {
        Format::Terminal => {
            print!("{}", terminal::render(report, Style::detect(), repeat));
            if args.timings {
                timings(report);
            }
        }
        Format::Ktap => print!("{}", ktap::render(report)),
        Format::Json => print!("{json}"),
    }
    if !matches!(report.exit_code(), ExitCode::AsExpected) {
        eprintln!("recordings: {}", dir.display());
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).map_err(|error| io(&error, "writing", path))
}

/// The command that runs one case again in the same way.
fn again(verdict: &CaseVerdict, args: &TestArgs) -> String {
    let mut words = vec!["cargo xtask test --exact".to_string(), verdict.key.to_string()];
    if matches!(verdict.verdict, Verdict::Flaky { .. }) {
        words.push("--until-fail --repeat 100".into());
    }
    let kernel = &args.kernel;
    let mut option = |name: &str, value: Option<String>| words.extend(value.map(|value| format!("--{name} {value}")));
    option("kernel", kernel.kernel.clone());
    option("kernel-tree", kernel.kernel_tree.as_ref().map(|path| path.display().to_string()));
    option("tarball", kernel.tarball.as_ref().map(|path| path.display().to_string()));
    option("sha256", kernel.sha256.clone());
    option("series", kernel.series.clone());
    for extra in &kernel.extra {
        option("with", Some(extra.display().to_string()));
    }
    option("flavour", kernel.flavour.clone());
    option("accel", args.accel.given().map(str::to_string));
    words.join(" ")
}

fn timings(report: &RunReport) {
    let mut runs: Vec<_> = report.verdicts.iter().filter_map(|verdict| verdict.run.as_ref()).collect();
    runs.sort_by_key(|run| std::cmp::Reverse(run.ms));
    println!("\nslowest cases, in milliseconds of guest time:");
    for run in runs.iter().take(15) {
        println!("  {:>6}  {}", run.ms, run.key);
    }
    println!("  {:>6}  all {} cases", runs.iter().map(|run| run.ms).sum::<u64>(), runs.len());
}

/// A fresh directory for recordings; the oldest ones make room. `last` points to it.
fn run_directory() -> Result<PathBuf> {
    let runs = workspace::runs();
    fs::create_dir_all(&runs).map_err(|error| io(&error, "creating", &runs))?;
    let mut numbers: Vec<u64> = fs::read_dir(&runs)
        .map_err(|error| io(&error, "reading", &runs))?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.strip_prefix("run-")?.parse().ok())
        .collect();
    numbers.sort_unstable();
    for old in numbers.iter().rev().skip(KEPT - 1) {
        let _ = fs::remove_dir_all(runs.join(format!("run-{old}")));
    }
    let mut number = numbers.last().map_or(1, |last| last + 1);
    loop {
        let dir = runs.join(format!("run-{number}"));
        match fs::create_dir(&dir) {
            Ok(()) => {
                let last = runs.join("last");
                let _ = fs::remove_file(&last);
                let _ = std::os::unix::fs::symlink(format!("run-{number}"), &last);
                return Ok(dir);
            }
            // Another run of this checkout was faster.
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => number += 1,
            Err(error) => return Err(io(&error, "creating", &dir)),
        }
    }
}
