//! `cargo xtask`: the command line of the conformance suite. This file is its table of contents.

mod command_line;
mod commands;
mod flags;
mod run;
mod settings;
mod signals;
mod workspace;

use std::process::ExitCode;

use command_line::CommandLineError;
use harness::error::{Error, ErrorKind, Result};
use harness::exit_code::ExitCode as Code;
use harness::host::process::{check_interrupt, kill_all};

use commands::dev::{self, mutants};
use commands::{bisect, clean, doctor, explain, list, matrix, report, repro, shell, test};
use flags::{Command, Dev};

fn main() -> ExitCode {
    signals::end_quietly_without_a_reader();
    let flags = command_line::read().unwrap_or_else(|fault| end_for(&fault));
    signals::watch();
    let quiet = flags.global.quiet;
    let interrupted = || check_interrupt().is_err();
    let number = match &flags.command {
        // Two commands are read by programs that have exit codes of their own, and one ends as what it has run.
        Command::Test(args) if args.bisect => bisect::run(args).number(),
        Command::Dev(Dev::Mutants(args)) | Command::WithoutDev(Dev::Mutants(args)) => {
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
        Command::List(args) => list::run(args),
        Command::Explain { what } => explain::run(what),
        Command::Doctor(args) => doctor::run(args),
        Command::Shell(_) => unreachable!("it has exit codes of its own"),
        Command::Clean(args) => clean::run(args, quiet),
        Command::Dev(command) | Command::WithoutDev(command) => dev::run(command, quiet),
    }
}

/// Ends the program for a command line or settings that make no sense, or for a call for help.
fn end_for(fault: &CommandLineError) -> ! {
    let own = || bisect::of_usage().or_else(mutants::of_usage);
    let code = match fault {
        CommandLineError::Words(help) if !help.use_stderr() => help.exit(),
        CommandLineError::Words(error) => {
            let _ = error.print();
            own().unwrap_or(Code::Usage.number())
        }
        CommandLineError::Settings(error) => own().unwrap_or(tell(error).number()),
    };
    std::process::exit(code.into())
}

fn tell(error: &Error) -> Code {
    eprintln!("{error}");
    // Who typed nothing of it looks for the mistake in the wrong place.
    if matches!(
        error.kind,
        ErrorKind::Usage | ErrorKind::Host | ErrorKind::Source | ErrorKind::Kconfig | ErrorKind::Patch
    ) {
        settings::elsewhere().iter().for_each(|line| eprintln!("  note: {line}"));
    }
    error.exit_code()
}
