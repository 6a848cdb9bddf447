//! Commands for people who change the suite.

pub mod bench;
pub mod build;
pub mod ci;
pub mod coverage;
pub mod coverage_kernel;
pub mod fuzz;
pub mod github;
pub mod kselftest;
pub mod lint_workflows;
pub mod manual;
pub mod mutants;
pub mod selftest;

use harness::error::Result;
use harness::exit_code::ExitCode;

use crate::flags::{Bench, Dev};

/// Runs the command that was named.
///
/// # Errors
/// Those of the command.
pub fn run(command: &Dev, quiet: bool) -> Result<ExitCode> {
    match command {
        Dev::Ci(args) => ci::run(args),
        Dev::Selftest(args) => selftest::run(args, quiet),
        Dev::Mutants(_) => unreachable!("main() runs it: it has its own exit codes"),
        Dev::Coverage(args) => coverage::run(args, quiet),
        Dev::Kselftest(args) if args.history => mutants::upstream::run(args, quiet),
        Dev::Kselftest(args) => kselftest::run(args, quiet),
        Dev::Build(args) => build::run(args, quiet),
        Dev::Bench(Bench::Boot { kernel, runs }) => bench::boot(kernel, *runs, quiet),
        Dev::Bench(Bench::Suite { kernel, runs }) => bench::suite(kernel, *runs, quiet),
        Dev::Fuzz(args) => fuzz::run(args, quiet),
        Dev::LintWorkflows { dir } => lint_workflows::run(dir.as_deref()),
        Dev::Github(command) => github::run(command, quiet),
        Dev::Completions { shell } => Ok(manual::completions(*shell)),
        Dev::Man { dir } => manual::pages(dir),
    }
}
