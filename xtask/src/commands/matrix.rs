//! `cargo xtask matrix`: kernels x series x flavours, one run each.

use std::fs;
use std::path::Path;
use std::time::Instant;

use cases::protocol::CaseKey;
use harness::error::{Context, Error, ErrorKind, Result, io};
use harness::exit_code::ExitCode;
use harness::host::arch::Arch;
use harness::host::process::check_interrupt;
use harness::host::setup::Purpose;
use harness::host::style::{Style, detect};
use harness::report::matrix::{Cell, CellKey, CellOutcome, Matrix, file};
use harness::report::provenance::Provenance;
use harness::report::render::{html, matrix};
use serde::Serialize;

use crate::commands::test;
use crate::flags::{KernelArgs, MatrixArgs, RepeatArgs};
use crate::run::job::{PlannedRun, Program, RunOutput};
use crate::run::matrix_cells::{self, PlannedCell};
use crate::run::pipeline::Pipeline;
use crate::run::plan;
use crate::run::run_directory::{self, write};
use crate::run::run_files;
use crate::settings;

/// What a GitHub Actions matrix is made of.
#[derive(Serialize)]
struct Include {
    include: Vec<PlannedCell>,
}

/// Runs the cells and prints the table and the changes; or only lists them.
///
/// # Errors
/// When no cell can be run. An error in one cell is part of the result.
pub fn run(args: &MatrixArgs, quiet: bool) -> Result<ExitCode> {
    if args.json {
        println!("{}", listed(args)?);
        return Ok(ExitCode::AsExpected);
    }
    let chosen = plan::chosen(&args.filter)?;
    let cells = matrix_cells::planned_cells(args)?;
    let asked = run_files::provenance();
    let pipeline = Pipeline::open(quiet)?;
    pipeline.tools(Purpose::ALL, args.no_install)?;
    let mut programs: Vec<(&Arch, Program)> = Vec::new();
    for PlannedCell { place, .. } in &cells {
        let arch = place.arch();
        if !programs.iter().any(|(known, _)| *known == arch) {
            pipeline.tools_of(arch, args.no_install)?;
            programs.push((arch, Program::build(&pipeline, arch)?));
        }
    }
    let dir = run_directory::fresh(settings::keep(), &pipeline.progress)?;
    let provenance = asked.answered();
    let mut done: Vec<Cell> = Vec::new();
    let mut stopped: Option<String> = None;
    let count = cells.len();
    for (index, PlannedCell { place, .. }) in cells.into_iter().enumerate() {
        if let Some(why) = &stopped {
            done.push(Cell { place, outcome: CellOutcome::NotRun { why: why.clone() } });
            continue;
        }
        pipeline.progress.line(format!("== {} ({} of {count})", place.id, index + 1));
        let start = Instant::now();
        let program = programs.iter().find(|(arch, _)| *arch == place.arch()).map(|(_, program)| program);
        let program = program.ok_or_else(|| Error::new(ErrorKind::Internal, "no guest program was built"))?;
        let outcome = match cell(&pipeline, program, &place, args, chosen.clone(), &dir, &provenance) {
            Ok(outcome) => outcome,
            Err(error) => CellOutcome::failed(&error),
        };
        let cell = Cell { place, outcome };
        pipeline.progress.line(format!("== {}, {:.1} s", summary(&cell), start.elapsed().as_secs_f64()));
        stopped = match cell.exit_code() {
            _ if check_interrupt().is_err() => Some("interrupted".into()),
            None | Some(ExitCode::AsExpected) => None,
            Some(_) if args.keep_going => None,
            Some(_) => Some(format!("stopped after {}; use --keep-going to run the others", cell.place.id)),
        };
        done.push(cell);
    }
    let matrix = Matrix { cells: done };
    write(&dir.join(file::NAME), &file::write(&matrix)?)?;
    write(&dir.join("matrix.txt"), &matrix::render(&matrix, Style::Plain))?;
    let page = dir.join(html::NAME);
    write(&page, &html::render(&matrix)?)?;
    print!("{}", matrix::render(&matrix, detect()));
    println!("report: {}", page.display());
    Ok(matrix.exit_code())
}

/// The cells as JSON, for the matrix of a GitHub workflow.
///
/// # Errors
/// Those of [`plan::chosen`] and [`matrix_cells::planned_cells`].
pub fn listed(args: &MatrixArgs) -> Result<String> {
    plan::chosen(&args.filter)?;
    let cells = Include { include: matrix_cells::planned_cells(args)? };
    serde_json::to_string(&cells).context(ErrorKind::Internal, || "encoding the cells".into())
}

fn cell(
    pipeline: &Pipeline,
    program: &Program,
    place: &CellKey,
    args: &MatrixArgs,
    chosen: Vec<CaseKey>,
    dir: &Path,
    provenance: &Provenance,
) -> Result<CellOutcome> {
    let kernel = KernelArgs {
        kernel: Some(place.kernel.clone()),
        series: Some(place.series.clone()),
        flavour: Some(place.flavour.clone()),
        refresh: args.refresh,
        no_install: args.no_install,
        ..KernelArgs::default()
    };
    let job = PlannedRun::new(pipeline.kernel(&kernel)?, chosen)?;
    // The cases apply to other kernels of the matrix.
    if job.require_cases().is_err() {
        return Ok(CellOutcome::Empty);
    }
    let dir = dir.join(&place.id);
    fs::create_dir(&dir).map_err(|error| io(&error, "creating", &dir))?;
    let options = test::options(&kernel, args.guest.accel);
    let output = RunOutput { dir: &dir, options: &options, provenance };
    Ok(CellOutcome::Ran(Box::new(job.run(pipeline, program, &RepeatArgs::default(), &args.guest, output)?)))
}

/// A cell in one line.
fn summary(cell: &Cell) -> String {
    let what = match &cell.outcome {
        CellOutcome::Ran(report) => {
            let tally = report.tally();
            let known = if tally.known > 0 { format!(", {} known", tally.known) } else { String::new() };
            format!("{} passed, {} failed, {} skipped{known}", tally.passed, tally.failed, tally.skipped)
        }
        CellOutcome::Failed { error, .. } => error.lines().next().unwrap_or_default().to_string(),
        CellOutcome::Empty => "none of the chosen cases applies to this kernel".into(),
        CellOutcome::NotRun { why } => why.clone(),
    };
    let exit = cell.exit_code().map(|code| format!(" (exit {})", code.number())).unwrap_or_default();
    format!("{}: {what}{exit}", cell.place.id)
}
