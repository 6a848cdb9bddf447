//! `cargo xtask`: the command line of the conformance suite. This file is its table of contents.

mod bench;
mod bisect;
mod build;
mod cells;
mod ci;
mod clean;
mod coverage;
mod doctor;
mod explain;
mod flags;
mod kept;
mod kselftest;
mod last_result;
mod lint_workflows;
mod list;
mod manual;
mod matrix;
mod mutants;
mod pipeline;
mod plan;
mod probe_kvm;
mod report;
mod rounds;
mod run;
mod run_directory;
mod selftest;
mod shell;
mod signals;
mod test;
mod watcher;
mod workspace;

use std::process::ExitCode;

use clap::Parser;
use harness::error::{Error, Result};
use harness::exit_code::ExitCode as Code;
use harness::process::{check_interrupt, kill_all};

use flags::{Bench, Command, Flags};

fn main() -> ExitCode {
    let flags = Flags::try_parse().unwrap_or_else(|error| end_for(&error));
    signals::watch();
    let quiet = flags.global.quiet;
    let interrupted = || check_interrupt().is_err();
    let number = match &flags.command {
        // Two commands are read by programs that have exit codes of their own, and one ends as what it has run.
        Command::Test(args) if args.bisect => bisect::run(args).number(),
        Command::Mutants(args) => {
            let number = mutants::run(args, quiet).unwrap_or_else(|error| mutants::of_error(&error, tell(&error)));
            if interrupted() { Code::Interrupted.number() } else { number }
        }
        Command::Shell(args) => {
            let number = shell::run(args, quiet).unwrap_or_else(|error| tell(&error).number());
            if interrupted() { Code::Interrupted.number() } else { number }
        }
        command => {
            let code = run(command, quiet).unwrap_or_else(|error| tell(&error));
            // Whatever was decided meanwhile: who stopped it must not take it for finished.
            if interrupted() { Code::Interrupted.number() } else { code.number() }
        }
    };
    kill_all();
    ExitCode::from(number)
}

fn run(command: &Command, quiet: bool) -> Result<Code> {
    match command {
        Command::Test(args) => test::run(args, quiet),
        Command::Matrix(args) => matrix::run(args, quiet),
        Command::Report(args) => report::run(args),
        Command::Build(args) => build::run(args, quiet),
        Command::List(args) => list::run(args),
        Command::Explain { what } => explain::run(what),
        Command::Doctor(args) => doctor::run(args),
        Command::Selftest(args) => selftest::run(args, quiet),
        Command::Mutants(_) | Command::Shell(_) => unreachable!("it has exit codes of its own"),
        Command::Coverage(args) => coverage::run(args, quiet),
        Command::Kselftest(args) => kselftest::run(args, quiet),
        Command::Ci(args) => ci::run(args),
        Command::LintWorkflows { dir } => lint_workflows::run(dir.as_deref()),
        Command::ProbeKvm { device } => probe_kvm::run(device),
        Command::Clean(args) => clean::run(args, quiet),
        Command::Completions { shell } => Ok(manual::completions(*shell)),
        Command::Man { dir } => manual::pages(dir),
        Command::Bench(Bench::Boot { kernel, runs }) => bench::boot(kernel, *runs, quiet),
    }
}

/// Ends the program for a command line that makes no sense, or that asks for help.
fn end_for(error: &clap::Error) -> ! {
    let own = if error.use_stderr() { bisect::of_usage().or_else(mutants::of_usage) } else { None };
    let Some(own) = own else { error.exit() };
    let _ = error.print();
    std::process::exit(own.into())
}

fn tell(error: &Error) -> Code {
    eprintln!("{error}");
    error.exit_code()
}
