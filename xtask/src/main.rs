//! `cargo xtask`: the command line of the conformance suite. This file is its table of contents.

mod bench;
mod bisect;
mod build;
mod cells;
mod ci;
mod clean;
mod command_line;
mod coverage;
mod debug;
mod doctor;
mod explain;
mod flags;
mod github;
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
mod report;
mod repro;
mod rounds;
mod run;
mod run_directory;
mod run_files;
mod selftest;
mod settings;
mod shell;
mod signals;
mod test;
mod watcher;
mod workspace;

use std::process::ExitCode;

use command_line::Fault;
use harness::error::{Blame, Error, Result};
use harness::exit_code::ExitCode as Code;
use harness::process::{check_interrupt, kill_all};

use flags::{Bench, Command};

fn main() -> ExitCode {
    signals::end_quietly_without_a_reader();
    let flags = command_line::read().unwrap_or_else(|fault| end_for(&fault));
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
        Command::Repro(command) => repro::run(command, quiet),
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
        Command::Github(command) => github::run(command, quiet),
        Command::Clean(args) => clean::run(args, quiet),
        Command::Completions { shell } => Ok(manual::completions(*shell)),
        Command::Man { dir } => manual::pages(dir),
        Command::Bench(Bench::Boot { kernel, runs }) => bench::boot(kernel, *runs, quiet),
    }
}

/// Ends the program for a command line or settings that make no sense, or for a call for help.
fn end_for(fault: &Fault) -> ! {
    let own = || bisect::of_usage().or_else(mutants::of_usage);
    let code = match fault {
        Fault::Words(help) if !help.use_stderr() => help.exit(),
        Fault::Words(error) => {
            let _ = error.print();
            own().unwrap_or(Code::Usage.number())
        }
        Fault::Settings(error) => own().unwrap_or(tell(error).number()),
    };
    std::process::exit(code.into())
}

fn tell(error: &Error) -> Code {
    eprintln!("{error}");
    // Who typed nothing of it looks for the mistake in the wrong place.
    if matches!(error.blame, Blame::Usage | Blame::Host | Blame::Source | Blame::Kconfig | Blame::Patch) {
        settings::elsewhere().iter().for_each(|line| eprintln!("  note: {line}"));
    }
    error.exit_code()
}
