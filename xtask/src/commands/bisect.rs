//! `cargo xtask test --bisect`: a step of `git bisect run`. Prints one line and exits with a code that git understands.
//!
//! git takes nearly every exit code as a verdict on the commit, so this command exits only with those of [`Bisect`]: not with
//! clap's 2, and not with 101 after a panic.

use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use harness::error::{Error, ErrorKind, Result};
use harness::exit_code::ExitCode;
use harness::host::arch::Arch;
use harness::host::process::check_interrupt;
use harness::host::setup::Purpose;
use harness::judge::verdict::{CaseVerdict, Verdict};
use harness::report::bisect::{Bisect, lost_in};
use harness::report::run_report::RunReport;

use crate::commands::test;
use crate::flags::TestArgs;
use crate::run::pipeline::Pipeline;
use crate::run::plan;

/// Judges the commit that is checked out and prints the verdict on one line.
pub fn run(args: &TestArgs) -> Bisect {
    let judged = catch_unwind(AssertUnwindSafe(|| step(args)));
    let (code, why) = match judged {
        Ok(Ok(judged)) => judged,
        Ok(Err(error)) => (error.kind.into(), error.to_string()),
        // The panic message is on standard error.
        Err(_) => (Bisect::Stop, "internal: a bug in the suite".into()),
    };
    let code = if check_interrupt().is_err() { Bisect::Interrupted } else { code };
    // An error that stops the bisection is printed in full; for one step, the first line is enough.
    let (first, rest) = why.split_once('\n').unwrap_or((&why, ""));
    // println! would panic if the reader has closed the pipe.
    let _ = writeln!(io::stdout(), "bisect: {} ({}): {first}", code.word(), code.number());
    if code == Bisect::Stop && !rest.is_empty() {
        let _ = writeln!(io::stderr(), "{rest}");
    }
    code
}

/// The exit code for an invalid command line, if it has --bisect.
pub fn of_usage() -> Option<u8> {
    std::env::args().any(|arg| arg == "--bisect").then_some(Bisect::Stop.number())
}

fn step(args: &TestArgs) -> Result<(Bisect, String)> {
    check_prerequisites(args)?;
    let (first, dir) = test::examine(args, true)?;
    if first.exit_code() != ExitCode::GuestLost || lost_in(&first).next().is_none() {
        return Ok(conclusion(&first, None, &dir));
    }
    let (again, dir) = test::examine(args, true)?;
    Ok(conclusion(&first, Some(&again), &dir))
}

/// Checks what is the same for every commit: filters, tools, the tree's directory, the guest program. Otherwise every commit
/// would be skipped because of it.
fn check_prerequisites(args: &TestArgs) -> Result<()> {
    plan::chosen(&args.filter)?;
    if let Some(dir) = args.kernel.kernel_tree.as_ref().filter(|dir| !dir.is_dir()) {
        let here = std::env::current_dir().unwrap_or_default();
        return Err(Error::new(ErrorKind::Usage, format!("there is no directory {}", dir.display()))
            .cause(format!("the current directory is {}", here.display()))
            .next("git bisect runs the command in the top directory of the repository, so use --kernel-tree ."));
    }
    let pipeline = Pipeline::open(true)?;
    pipeline.tools(Purpose::ALL, args.kernel.no_install)?;
    let not_the_kernel = |error: Error| Error { kind: ErrorKind::Host, ..error };
    let arch = Arch::of_flavour(&args.kernel.flavour_on("")).0;
    pipeline.tools_of(arch, args.kernel.no_install)?;
    pipeline.guest_program(arch).map(drop).map_err(not_the_kernel)
}

fn conclusion(first: &RunReport, again: Option<&RunReport>, dir: &Path) -> (Bisect, String) {
    let code = Bisect::of(first, again);
    let report = again.unwrap_or(first);
    let tally = report.tally();
    let why = match report.verdicts.iter().filter(|verdict| !verdict.verdict.is_as_expected()).min_by_key(|v| rank(v)) {
        _ if code == Bisect::Good => {
            let cases = if tally.passed == 1 { "1 case".into() } else { format!("{} cases", tally.passed) };
            return (code, format!("{cases} as expected"));
        }
        Some(worst) => {
            let more = if tally.failed > 1 { format!(", and {} more", tally.failed - 1) } else { String::new() };
            format!("{} {} {}{}{more}", worst.verdict.word(), worst.clause, worst.key, reason(&worst.verdict))
        }
        None if again.is_some() => "a guest was lost once, but not in the second run".into(),
        None => match report.protocol_errors.first() {
            Some(error) => error.clone(),
            None if report.verdicts.is_empty() => "none of the chosen cases applies to this kernel".into(),
            None => "every case was skipped".into(),
        },
    };
    let why: String = why.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    (code, format!("{why}; recordings: {}", dir.display()))
}

/// The order in which verdicts decide the result.
fn rank(verdict: &CaseVerdict) -> usize {
    let order = [ExitCode::Violated, ExitCode::GuestLost, ExitCode::BrokenCase, ExitCode::Unreviewed];
    order.iter().position(|code| *code == verdict.verdict.exit_code()).unwrap_or(order.len())
}

fn reason(verdict: &Verdict) -> String {
    let why = match verdict.detailed() {
        Verdict::Failed { reasons } => reasons.first().map_or("", String::as_str),
        Verdict::Differs { .. } => "the transcript differs from the reviewed one",
        Verdict::Broken { why } | Verdict::UnexpectedSkip { why, .. } | Verdict::NotRun { why } => why,
        Verdict::Lost { how, .. } => how,
        _ => "",
    };
    if why.is_empty() { String::new() } else { format!(": {why}") }
}
