//! `cargo xtask`: the command line of the conformance suite. This file is its table of contents.

mod bench;
mod bisect;
mod build;
mod cells;
mod ci;
mod doctor;
mod explain;
mod flags;
mod kept;
mod last_result;
mod lint_workflows;
mod list;
mod matrix;
mod pipeline;
mod plan;
mod probe_kvm;
mod report;
mod rounds;
mod run;
mod run_directory;
mod selftest;
mod signals;
mod test;
mod watcher;
mod workspace;

use std::process::ExitCode;

use clap::Parser;
use harness::error::Error;
use harness::exit_code::ExitCode as Code;
use harness::process::{check_interrupt, kill_all};

use flags::{Bench, Command, Flags};

fn main() -> ExitCode {
    let flags = Flags::try_parse().unwrap_or_else(|error| bisect::end_for(&error));
    signals::watch();
    if let Command::Test(args) = &flags.command
        && args.bisect
    {
        return ExitCode::from(bisect::run(args).number());
    }
    let quiet = flags.global.quiet;
    let result = match flags.command {
        Command::Test(args) => test::run(&args, quiet),
        Command::Matrix(args) => matrix::run(&args, quiet),
        Command::Report(args) => report::run(&args),
        Command::Build(args) => build::run(&args, quiet),
        Command::List(args) => list::run(&args),
        Command::Explain { what } => explain::run(&what),
        Command::Doctor(args) => doctor::run(&args),
        Command::Selftest(args) => selftest::run(&args, quiet),
        Command::Ci(args) => ci::run(&args),
        Command::LintWorkflows { dir } => lint_workflows::run(dir.as_deref()),
        Command::ProbeKvm { device } => probe_kvm::run(&device),
        Command::Bench(Bench::Boot { kernel, runs }) => bench::boot(&kernel, runs, quiet),
    };
    let code = result.unwrap_or_else(|error| tell(&error));
    // Whatever was decided meanwhile: who stopped it must not take it for finished.
    let code = if check_interrupt().is_err() { Code::Interrupted } else { code };
    kill_all();
    ExitCode::from(code.number())
}

fn tell(error: &Error) -> Code {
    eprintln!("{error}");
    error.exit_code()
}
