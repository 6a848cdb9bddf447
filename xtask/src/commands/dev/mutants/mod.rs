//! `cargo xtask dev mutants`: builds wrong kernels and shows which of them the suite catches; with `--correct`, builds correct
//! ones and shows which cases fail on them; with `--findings`, `--pairs` and `--composites`, runs the whole suite on mutants, one or
//! several at a time, and shows what the findings name.

mod case_matrix;
mod caught;
mod correct;
mod findings;
mod kernels;
mod mutant;
mod mutant_list;
mod prepared;
mod report;
mod results;
mod runner;
pub mod upstream;
mod workers;

use std::time::Instant;

use harness::error::{Context, Error, ErrorKind, Result};
use harness::exit_code::ExitCode;

use crate::flags::{MutantsArgs, TableFormat};
use crate::run::pipeline::Pipeline;
use mutant::Mutant;
use prepared::Prepared;
use report::code;

/// The exit code for an invalid command line of this command; `None` for one of another command.
pub fn of_usage() -> Option<u8> {
    let command = std::env::args().skip(1).find(|word| word != "dev" && !word.starts_with('-'));
    (command.as_deref() == Some("mutants")).then_some(code::USAGE)
}

/// The exit code for an error: as in cargo-mutants, where it has one.
pub fn of_error(error: &Error, own: ExitCode) -> u8 {
    match error.kind {
        ErrorKind::Usage => code::USAGE,
        ErrorKind::Internal => code::INTERNAL,
        _ => own.number(),
    }
}

/// Runs what the arguments ask for and prints the report.
///
/// # Errors
/// When mutants cannot be run. A missed mutant is not an error.
pub fn run(args: &MutantsArgs, quiet: bool) -> Result<u8> {
    let start = Instant::now();
    let pipeline = Pipeline::open(quiet)?;
    let tree = pipeline.tree(&args.kernel())?;
    let task = pipeline.progress.task("making mutants", None);
    let mutants = mutant_list::all(&tree, &pipeline.store, args)?;
    task.done(format!("{} mutants", mutants.len()));
    if args.history {
        mutant_list::elsewhere(&tree, args.from.as_deref())?.iter().for_each(|line| pipeline.progress.line(line));
    }
    let chosen = mutant_list::chosen(&mutants, &tree.patched, args)?;
    let combinations = findings::combinations(&mutants, &chosen, &tree, args)?;
    if args.list {
        return match &combinations {
            Some(combinations) => combinations.list(args.format),
            None => list(&mutants, &chosen, args),
        };
    }
    let prepared = Prepared::new((&pipeline, &tree), &mutants, args, start)?;
    let printed = match (combinations, args.findings) {
        (Some(combinations), _) => findings::together(prepared, &mutants, combinations, args)?,
        (None, true) => findings::alone(prepared, &mutants, &chosen, args)?,
        (None, false) => caught::run(prepared, &mutants, &chosen, args)?,
    };
    match printed {
        Some(printed) => printed.print(args.format),
        None => Ok(code::BASELINE),
    }
}

fn list(mutants: &[Mutant], chosen: &[String], args: &MutantsArgs) -> Result<u8> {
    let abouts: Vec<_> =
        mutants.iter().map(|mutant| &mutant.about).filter(|about| chosen.contains(&about.id)).collect();
    if args.format == TableFormat::Json {
        println!(
            "{}",
            serde_json::to_string_pretty(&abouts).context(ErrorKind::Internal, || "encoding the list".into())?
        );
        return Ok(code::CAUGHT);
    }
    for about in &abouts {
        println!("{}  {}  {}: {}", about.id, about.place(), about.made_by, about.wrong);
    }
    println!("{} mutants", abouts.len());
    Ok(code::CAUGHT)
}
