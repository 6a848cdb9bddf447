//! `cargo xtask importers`: the importers of dma-bufs in a kernel tree. Builds and boots nothing.

use std::path::Path;

use harness::error::Result;
use harness::exit_code::ExitCode;
use importers::census::{self, Census};
use importers::render::{self, CensusFormat, CensusReport, Comparison};
use importers::reviewed::ReviewedTable;

use crate::flags::{ImportersArgs, ImportersFormat, KernelArgs, TwoKernels};
use crate::run::pipeline::Pipeline;
use crate::run::run_directory::write;
use crate::workspace;

/// Prints the census of a kernel, or the comparison of two.
///
/// # Errors
/// When a source cannot be fetched or read.
pub fn run(args: &ImportersArgs, quiet: bool) -> Result<ExitCode> {
    let pipeline = Pipeline::open(quiet)?;
    let format = match args.format {
        ImportersFormat::Text => CensusFormat::Text,
        ImportersFormat::Json => CensusFormat::Json,
        ImportersFormat::Markdown => CensusFormat::Markdown,
        ImportersFormat::Html => CensusFormat::Html,
    };
    if let Some(TwoKernels(first, second)) = &args.compare {
        let (before, after) = (of(&pipeline, &named(first))?, of(&pipeline, &named(second))?);
        print!("{}", render::comparison(&Comparison::new(&before, &after), format)?);
        return Ok(ExitCode::AsExpected);
    }
    let kernel =
        KernelArgs { kernel: args.kernel.clone(), kernel_tree: args.kernel_tree.clone(), ..KernelArgs::default() };
    let census = of(&pipeline, &kernel)?;
    let table = ReviewedTable::built_in()?;
    let report = CensusReport::new(&census, &table);
    print!("{}", render::report(&report, format)?);
    if args.accept {
        let path = workspace::reviewed_importers();
        write(&path, &table.for_census(&census).text())?;
        pipeline.progress.line(format!("{} is written; read the code of each place with a `?`", path.display()));
    }
    Ok(report.exit_code())
}

/// A kernel of `--compare`: the directory of a tree, or what `--kernel` accepts.
fn named(name: &str) -> KernelArgs {
    match Path::new(name).is_dir() {
        true => KernelArgs { kernel_tree: Some(name.into()), ..KernelArgs::default() },
        false => KernelArgs { kernel: Some(name.into()), ..KernelArgs::default() },
    }
}

fn of(pipeline: &Pipeline, kernel: &KernelArgs) -> Result<Census> {
    let source = pipeline.source(kernel)?;
    let task = pipeline.progress.task(&format!("searching Linux {}", source.version), None);
    let census = census::take(&source)?;
    task.done(format!("{} places in {} files", census.places.len(), census.parsed));
    Ok(census)
}
