//! `cargo xtask test`: from the command line to a report.

use std::path::{Path, PathBuf};

use harness::error::Result;
use harness::exit_code::ExitCode;
use harness::report::{ktap, style::Style, terminal};
use harness::run_report::RunReport;
use harness::verdict::{CaseVerdict, Verdict};

use crate::flags::{Format, TestArgs};
use crate::pipeline::Pipeline;
use crate::run::{Job, Program, json};
use crate::{plan, run_directory};

/// Runs the cases that the arguments ask for and prints the report.
///
/// # Errors
/// Whatever keeps the run from being judged. What the judgement is, is no error.
pub fn run(args: &TestArgs, quiet: bool) -> Result<ExitCode> {
    let (report, dir) = examine(args, quiet)?;
    show(&report, args, &dir)?;
    Ok(report.exit_code())
}

/// Runs the cases that the arguments ask for, and gives back the report with the directory in which it is kept.
///
/// # Errors
/// As [`run`].
pub fn examine(args: &TestArgs, quiet: bool) -> Result<(RunReport, PathBuf)> {
    let chosen = plan::select(&args.filters, args.exact, &args.skip)?;
    let pipeline = Pipeline::open(quiet)?;
    let job = Job::new(pipeline.kernel(&args.kernel)?, chosen)?;
    // To a bisection that is a commit that says nothing.
    if !args.bisect {
        job.not_nothing()?;
    }
    let program = Program::build(&pipeline)?;
    let dir = run_directory::fresh()?;
    let report = job.run(&pipeline, &program, &args.repeat, args.accel, &dir, |verdict| again(verdict, args))?;
    Ok((report, dir))
}

fn show(report: &RunReport, args: &TestArgs, dir: &Path) -> Result<()> {
    match args.format {
        Format::Terminal => {
            print!("{}", terminal::render(report, Style::detect(), |verdict| again(verdict, args)));
            if args.timings {
                timings(report);
            }
        }
        Format::Ktap => print!("{}", ktap::render(report)),
        Format::Json => print!("{}", json(report)?),
    }
    if !matches!(report.exit_code(), ExitCode::AsExpected) {
        eprintln!("recordings: {}", dir.display());
    }
    Ok(())
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
