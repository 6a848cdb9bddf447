//! `cargo xtask series`: what is read from a series, and whether it applies to a kernel. Builds nothing.

use harness::error::{Error, Result};
use harness::exit_code::ExitCode;
use harness::host::setup::Purpose;
use harness::host::style::wrap;
use harness::patch::RelatedTrees;
use harness::patch::fit::{Fit, fits};
use harness::patch::series::{FileChange, Patch, Places, Series, files};
use harness::source::spec::Kernels;
use harness::source::{self, SourceTree};

use crate::flags::SeriesArgs;
use crate::run::pipeline::{Pipeline, spec};
use crate::workspace;

/// The margin of the lines that belong to a patch.
const MARGIN: &str = "      ";

/// Prints the series.
///
/// # Errors
/// As `cargo xtask test`, when the series cannot be read or the kernel cannot be fetched. A patch that does not apply is printed
/// with the others, and gives the exit code of [`ExitCode::Patch`].
pub fn run(args: &SeriesArgs, quiet: bool) -> Result<ExitCode> {
    let pipeline = Pipeline::open(quiet)?;
    let kernel = args.kernel();
    let spec = kernel.as_ref().map(spec).transpose()?;
    let source = match (&spec, &kernel) {
        (Some(spec), Some(kernel)) => {
            pipeline.tools(&[Purpose::Source, Purpose::Series], args.no_install)?;
            Some(source::provide(&spec.source, &pipeline.store, &pipeline.progress, kernel.look())?)
        }
        _ => None,
    };
    let kernels = Kernels::load(&workspace::kernels())?;
    let repository = spec.as_ref().and_then(harness::source::spec::KernelSpec::repository);
    let places = Places {
        patches: &workspace::patches(),
        version: source.as_ref().map_or(kernels.default_id(), |source| &source.version),
        repository: repository.as_ref(),
        store: &pipeline.store,
        look: args.look(),
        progress: &pipeline.progress,
    };
    let series = Series::open(&args.series, &places)?;
    let result = source.as_ref().map(|source| try_on(source, &series, &pipeline)).transpose()?;
    print(&series, result.as_ref().map(|(fits, _)| fits.as_slice()));
    let (Some(source), Some((fits, merged))) = (source, result) else { return Ok(ExitCode::AsExpected) };
    merged.iter().for_each(|note| println!("note: {}", wrap(note, MARGIN)));
    let applied = fits.iter().filter(|fit| matches!(fit, Fit::Applies)).count();
    println!("Linux {}: {applied} of {} apply", source.version, fits.len());
    match fits.into_iter().find_map(rejection) {
        Some(error) => {
            println!("\n{error}");
            Ok(error.exit_code())
        }
        None => Ok(ExitCode::AsExpected),
    }
}

fn try_on(source: &SourceTree, series: &Series, pipeline: &Pipeline) -> Result<(Vec<Fit>, Vec<String>)> {
    fits(&source.dir, series, &RelatedTrees::of(source, &pipeline.store))
}

fn rejection(fit: Fit) -> Option<Error> {
    match fit {
        Fit::Rejected(error) => Some(error),
        Fit::Applies | Fit::NotTried => None,
    }
}

fn print(series: &Series, fits: Option<&[Fit]>) {
    let version = series.version.map(|version| format!(", v{version}")).unwrap_or_default();
    println!("{}{version}: {}", series.name, count(series.patches.len(), "patch", "patches"));
    series.notes.iter().for_each(|note| println!("note: {}", wrap(note, MARGIN)));
    for (what, clauses) in [("closes", &series.claims.closes), ("breaks", &series.claims.breaks)] {
        if !clauses.is_empty() {
            println!("{what}: {}", clauses.join(" "));
        }
    }
    for (index, patch) in series.patches.iter().enumerate() {
        let fit = match fits.and_then(|fits| fits.get(index)) {
            Some(Fit::Applies) => "  applies",
            Some(Fit::Rejected(_)) => "  DOES NOT APPLY",
            Some(Fit::NotTried) => "  not tried, because an earlier one does not apply",
            None => "",
        };
        println!("\n{:>4}  {}{fit}", index + 1, title(patch));
        files(&patch.text).iter().for_each(|file| println!("{MARGIN}{}", change(file)));
    }
    println!();
}

/// The subject; the file name for a patch without a mail.
fn title(patch: &Patch) -> &str {
    patch.subject.as_deref().filter(|subject| !subject.is_empty()).unwrap_or(&patch.name)
}

fn change(file: &FileChange) -> String {
    format!("{} +{} -{}", file.path, file.added, file.removed)
}

fn count(number: usize, one: &str, more: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { more })
}
