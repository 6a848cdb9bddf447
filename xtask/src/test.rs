//! `cargo xtask test`: from the command line to a report.

use std::path::Path;

use harness::error::Result;
use harness::exit_code::ExitCode;
use harness::matrix::{Cell, Matrix};
use harness::report::{github, html, junit, ktap, markdown, style::Style, terminal};
use harness::run_report::RunReport;

use crate::flags::{AccelChoice, Format, KernelArgs, TestArgs};
use crate::pipeline::Pipeline;
use crate::run::{Job, Ledger, Program, json};
use crate::run_directory::RunDirectory;
use crate::{plan, run_directory, run_files, settings};

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
pub fn examine(args: &TestArgs, quiet: bool) -> Result<(RunReport, RunDirectory)> {
    let asked = run_files::provenance();
    let chosen = plan::select(&args.filters, args.exact, &args.skip)?;
    let pipeline = Pipeline::open(quiet)?;
    let job = Job::new(pipeline.kernel(&args.kernel)?, chosen)?;
    // To a bisection that is a commit that says nothing.
    if !args.bisect {
        job.not_nothing()?;
    }
    let program = Program::build(&pipeline)?;
    let dir = run_directory::fresh(settings::keep(), &pipeline.progress)?;
    let (options, provenance) = (options(&args.kernel, args.accel), asked.answered());
    let ledger = Ledger { dir: &dir, options: &options, provenance: &provenance };
    let report = job.run(&pipeline, &program, &args.repeat, args.accel, ledger)?;
    Ok((report, dir))
}

fn show(report: &RunReport, args: &TestArgs, dir: &Path) -> Result<()> {
    print!("{}", rendered(report, args.format)?);
    if args.timings && args.format == Format::Terminal {
        timings(report);
    }
    if !matches!(report.exit_code(), ExitCode::AsExpected) {
        eprintln!("report: {}", dir.join(html::NAME).display());
    }
    Ok(())
}

/// A report in a form.
///
/// # Errors
/// [`harness::error::Blame::Internal`] when it cannot be encoded.
pub fn rendered(report: &RunReport, format: Format) -> Result<String> {
    let matrix = || Matrix::new(vec![Cell::ran(report.clone())]);
    Ok(match format {
        Format::Terminal => terminal::render(report, Style::detect(), |verdict| report.setting.again(verdict)),
        Format::Ktap => ktap::render(report),
        Format::Junit => junit::render(&matrix())?,
        Format::Json => json(report)?,
        Format::Github => github::render(&matrix()),
        Format::Markdown => markdown::render(&matrix()),
        Format::Html => html::render(&matrix())?,
    })
}

/// The options that run on the same kernel again, as they were given.
pub fn options(kernel: &KernelArgs, accel: AccelChoice) -> String {
    let mut words = Vec::new();
    let mut option = |name: &str, value: Option<String>| {
        words.extend(value.map(|value| format!("--{name} {value}").trim_end().to_string()))
    };
    option("kernel", kernel.kernel.clone());
    option("kernel-tree", kernel.kernel_tree.as_ref().map(|path| path.display().to_string()));
    option("tarball", kernel.tarball.as_ref().map(|path| path.display().to_string()));
    option("sha256", kernel.sha256.clone());
    option("series", kernel.series.clone());
    for extra in &kernel.extra {
        option("with", Some(extra.display().to_string()));
    }
    option("flavour", kernel.flavour.clone());
    option("offline", kernel.offline.then(String::new));
    option("accel", accel.given().map(str::to_string));
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
