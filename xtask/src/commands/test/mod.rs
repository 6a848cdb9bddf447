//! `cargo xtask test`: runs the cases on one kernel and reports.

mod watch;

use std::path::{Path, PathBuf};

use harness::error::Result;
use harness::exit_code::ExitCode;
use harness::host::process::quote;
use harness::host::setup::Purpose;
use harness::host::style::detect;
use harness::report::matrix::{Cell, Matrix};
use harness::report::render::{github, html, junit, ktap, markdown, terminal};
use harness::report::run_report::RunReport;

use crate::flags::{AccelChoice, Format, KernelArgs, TestArgs};
use crate::run::debug;
use crate::run::job::{PlannedRun, Program, RunOutput, json};
use crate::run::pipeline::Pipeline;
use crate::run::plan;
use crate::run::run_directory;
use crate::run::run_directory::RunDirectory;
use crate::run::run_files;
use crate::settings;

/// Runs the cases that the arguments ask for and prints the report.
///
/// # Errors
/// When the run cannot be judged. Failed cases are not an error.
pub fn run(args: &TestArgs, quiet: bool) -> Result<ExitCode> {
    if args.watch { watch::run(args, quiet) } else { once(args, quiet) }
}

fn once(args: &TestArgs, quiet: bool) -> Result<ExitCode> {
    let (report, dir) = examine(args, quiet)?;
    show(&report, args, &dir)?;
    Ok(report.exit_code())
}

/// Runs the cases that the arguments ask for, and returns the report and the directory of the run.
///
/// # Errors
/// As [`run`].
pub fn examine(args: &TestArgs, quiet: bool) -> Result<(RunReport, RunDirectory)> {
    let asked = run_files::provenance();
    let chosen = plan::chosen(&args.filter)?;
    let pipeline = Pipeline::open(quiet)?;
    if args.debug.gdb {
        debug::require_one_case(&chosen)?;
        pipeline.tools(&[Purpose::Debugger], args.kernel.no_install)?;
    }
    let kernel = kernel(args);
    let job = PlannedRun::new(pipeline.kernel(&kernel)?, chosen)?.seeded(args.seed);
    let job = if args.debug.gdb { job.debugged()? } else { job };
    // In a bisection, such a commit is skipped and is not an error.
    if !args.bisect {
        job.require_cases()?;
    }
    let program = Program::build(&pipeline, job.arch())?;
    let dir = run_directory::fresh(settings::keep(), &pipeline.progress)?;
    let (options, provenance) = (with_seed(options(&kernel, args.guest.accel), args.seed), asked.answered());
    let output = RunOutput { dir: &dir, options: &options, provenance: &provenance };
    let report = job.run(&pipeline, &program, &args.repeat, &args.guest, output)?;
    Ok((report, dir))
}

/// The kernel that the arguments ask for. With --gdb, the default flavour is the one with debug information.
fn kernel(args: &TestArgs) -> KernelArgs {
    let flavour = args.kernel.flavour.clone().or_else(|| args.debug.gdb.then(|| debug::FLAVOUR.to_string()));
    KernelArgs { flavour, ..args.kernel.clone() }
}

fn show(report: &RunReport, args: &TestArgs, dir: &Path) -> Result<()> {
    print!("{}", rendered(report, args.format, args.all)?);
    if args.timings && args.format == Format::Terminal {
        timings(report);
    }
    eprintln!("report: {}", dir.join(html::NAME).display());
    Ok(())
}

/// A report in a form. With `all`, the terminal shows cases that findings name, too.
///
/// # Errors
/// [`harness::error::ErrorKind::Internal`] when it cannot be encoded.
pub fn rendered(report: &RunReport, format: Format, all: bool) -> Result<String> {
    let matrix = || Matrix::new(vec![Cell::ran(report.clone())]);
    Ok(match format {
        Format::Terminal => terminal::render(report, detect(), all, |verdict| report.setting.again(verdict)),
        Format::Ktap => ktap::render(report),
        Format::Junit => junit::render(&matrix())?,
        Format::Json => json(report)?,
        Format::Github => github::render(&matrix()),
        Format::Markdown => markdown::render(&matrix()),
        Format::Html => html::render(&matrix())?,
    })
}

/// The options that select the same kernel again, as they were given, quoted for a shell.
pub fn options(kernel: &KernelArgs, accel: AccelChoice) -> String {
    let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
    let extra = kernel.extra.iter().map(|patch| ("with", Some(patch.display().to_string())));
    let options = [
        ("kernel", kernel.kernel.clone()),
        ("kernel-tree", path(&kernel.kernel_tree)),
        ("tarball", path(&kernel.tarball)),
        ("sha256", kernel.sha256.clone()),
        ("series", kernel.series.clone()),
    ];
    let list = |names: &[String]| (!names.is_empty()).then(|| names.join(","));
    let claims = [("closes", list(&kernel.closes)), ("breaks", list(&kernel.breaks))];
    let options = options.into_iter().chain(extra).chain(claims).chain([("flavour", kernel.flavour.clone())]);
    let options = options.chain([("arch", kernel.arch.map(|arch| arch.name.to_string()))]);
    let words = options.filter_map(|(name, value)| Some(option(name, &value?)));
    let offline = kernel.offline.then(|| "--offline".to_string());
    let accel = accel.given().map(|accel| option("accel", accel));
    words.chain(offline).chain(accel).collect::<Vec<_>>().join(" ")
}

/// The options, and the seed if one was given.
fn with_seed(options: String, seed: Option<u64>) -> String {
    let seed = seed.map(|seed| format!("--seed {seed}"));
    [options].into_iter().filter(|options| !options.is_empty()).chain(seed).collect::<Vec<_>>().join(" ")
}

fn option(name: &str, value: &str) -> String {
    // A value that starts with a dash would be taken for an option.
    let between = if value.starts_with('-') { '=' } else { ' ' };
    format!("--{name}{between}{}", quote(value))
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

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::flags::{Command, Flags};

    fn parsed(words: &[&str]) -> TestArgs {
        let words = ["cargo xtask", "test"].iter().chain(words);
        let Command::Test(args) = Flags::try_parse_from(words).unwrap().command else { panic!("another command") };
        args
    }

    /// Splits a line as a shell does.
    fn split(line: &str) -> Vec<String> {
        let script = format!("printf '%s\\n' {line}");
        let output = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
        String::from_utf8(output.stdout).unwrap().lines().map(str::to_string).collect()
    }

    #[test]
    fn options_are_repeated_exactly_and_quoted_for_a_shell() {
        for given in [
            &["--kernel", "7.3", "--series", "none", "--flavour", "fast", "--accel", "tcg"][..],
            &["--kernel", "~/my linux#HEAD~1", "--offline", "--with", "a's.patch", "--with", "../$(b).patch"],
            &["--kernel-tree", "/src/linux; rm", "--series=-odd", "--accel", "kvm"],
            &["--tarball", "l.tar.xz", "--sha256", "00ff", "--series", "t.mbox#v2"],
            &["--arch", "arm64", "--flavour", "fast"],
            &["--series", "mine", "--closes", "H-1,H-3", "--breaks", "C-1"],
        ] {
            let args = parsed(given);
            let line = options(&args.kernel, args.guest.accel);
            let again: Vec<String> = split(&line);
            let again = parsed(&again.iter().map(String::as_str).collect::<Vec<_>>());
            assert_eq!(options(&again.kernel, again.guest.accel), line, "{given:?}");
            for word in given.iter().filter(|word| !word.starts_with('-')) {
                assert!(split(&line).contains(&word.to_string()), "{word} is not in {line}");
            }
        }
        let none = parsed(&["R-1"]);
        assert_eq!(options(&none.kernel, none.guest.accel), "");
        assert_eq!(with_seed(String::new(), parsed(&["--seed", "7"]).seed), "--seed 7");
        assert_eq!(with_seed("--offline".into(), Some(7)), "--offline --seed 7");
        assert_eq!(with_seed("--offline".into(), None), "--offline");
    }
}
