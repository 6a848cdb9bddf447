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
use commands::inspect::{complaints, importers, series};
use commands::{bisect, clean, doctor, explain, list, matrix, report, repro, shell, test};
use flags::{Command, Dev};

fn main() -> ExitCode {
    signals::end_quietly_without_a_reader();
    let flags = command_line::read().unwrap_or_else(|error| exit_for(&error));
    signals::watch();
    let quiet = flags.global.quiet;
    let interrupted = || check_interrupt().is_err();
    let number = match &flags.command {
        // These commands have their own exit codes: bisect and mutants for other programs, shell for that of its script.
        Command::Test(args) if args.bisect => bisect::run(args).number(),
        Command::Dev(Dev::Mutants(args)) | Command::WithoutDev(Dev::Mutants(args)) => {
            let number =
                mutants::run(args, quiet).unwrap_or_else(|error| mutants::of_error(&error, report_error(&error)));
            if interrupted() { Code::Interrupted.number() } else { number }
        }
        Command::Shell(args) => {
            let number = shell::run(args, quiet).unwrap_or_else(|error| report_error(&error).number());
            if interrupted() { Code::Interrupted.number() } else { number }
        }
        command => {
            let code = run(command, quiet).unwrap_or_else(|error| report_error(&error));
            // An interrupted command must not look finished, whatever it returned.
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
        Command::Complaints(args) => complaints::run(args),
        Command::Series(args) => series::run(args, quiet),
        Command::List(args) => list::run(args),
        Command::Explain { what } => explain::run(what),
        Command::Importers(args) => importers::run(args, quiet),
        Command::Doctor(args) => doctor::run(args),
        Command::Shell(_) => unreachable!("main() runs it: it has its own exit codes"),
        Command::Clean(args) => clean::run(args, quiet),
        Command::Dev(command) | Command::WithoutDev(command) => dev::run(command, quiet),
    }
}

/// Exits after an invalid command line or setting, or after printing help.
fn exit_for(error: &CommandLineError) -> ! {
    let own = || bisect::of_usage().or_else(mutants::of_usage);
    let code = match error {
        CommandLineError::CommandLine(help) if !help.use_stderr() => help.exit(),
        CommandLineError::CommandLine(error) => {
            let _ = error.print();
            own().unwrap_or(Code::Usage.number())
        }
        CommandLineError::Settings(error) => own().unwrap_or(report_error(error).number()),
    };
    std::process::exit(code.into())
}

fn report_error(error: &Error) -> Code {
    eprintln!("{error}");
    // The cause may be a setting that is not on the command line.
    if matches!(
        error.kind,
        ErrorKind::Usage | ErrorKind::Host | ErrorKind::Source | ErrorKind::Kconfig | ErrorKind::Patch
    ) {
        settings::elsewhere().iter().for_each(|line| eprintln!("  note: {line}"));
    }
    error.exit_code()
}
