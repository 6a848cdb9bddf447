//! `cargo xtask dev coverage`: which lines and branches of the code under test the cases reach.

use std::collections::BTreeMap;

use harness::error::{Error, ErrorKind, Result};
use harness::exit_code::ExitCode;
use harness::host::style::{Style, detect};
use harness::kbuild::image::gcov_files;
use harness::source::spec::Kernels;
use mutants::coverage::summary::{Unreached, unreached};
use mutants::coverage::uncovered::{Source, UncoveredList};
use mutants::coverage::{lcov, page};

use crate::commands::dev::coverage_kernel::{CoverageKernel, FLAVOUR, SuiteCoverage};
use crate::commands::dev::kselftest::Upstream;
use crate::commands::test;
use crate::flags::{CoverageArgs, KernelArgs, RepeatArgs};
use crate::run::job::{PlannedRun, Program, RunOutput};
use crate::run::pipeline::{Pipeline, Tree};
use crate::run::plan;
use crate::run::run_directory;
use crate::run::run_directory::write;
use crate::run::run_files;
use crate::settings;
use crate::workspace;

/// Runs the cases on a kernel with counters and prints what they reached.
///
/// # Errors
/// When the cases cannot be run. Lines that are not reached are not an error.
pub fn run(args: &CoverageArgs, quiet: bool) -> Result<ExitCode> {
    let chosen = plan::select(&args.filters, false, &[])?;
    let uncovered = UncoveredList::built_in()?;
    let pipeline = Pipeline::open(quiet)?;
    let flavour = args.kernel.flavour.clone().or_else(|| Some(FLAVOUR.into()));
    let kernel = KernelArgs { flavour, ..args.kernel.clone() };
    let tree = pipeline.tree(&kernel)?;
    if gcov_files::files(&tree.flavour, &tree.patched).is_empty() {
        return Err(Error::new(ErrorKind::Usage, format!("flavour {} has no coverage counters", tree.flavour.name))
            .next("Remove --flavour."));
    }
    let made = pipeline.made(&tree)?;
    let image = made.image.clone();
    let counted = CoverageKernel::of(&tree, &image)?.ok_or_else(|| Error::new(ErrorKind::Internal, "no counters"))?;
    let job = PlannedRun::new(made, chosen)?;
    job.require_cases()?;
    let program = Program::build(&pipeline, job.arch())?;
    let dir = run_directory::fresh(settings::keep(), &pipeline.progress)?;
    let (options, provenance) = (test::options(&kernel, args.guest.accel), run_files::provenance().answered());
    let output = RunOutput { dir: &dir, options: &options, provenance: &provenance };
    let report = job.run(&pipeline, &program, &RepeatArgs::default(), &args.guest, output)?;
    let task = pipeline.progress.task("reading the counters", None);
    let cases = counted.gather(&dir)?;
    task.done(format!("{} guests, {} lost", report.guests, cases.lost.len()));
    let kselftest = match args.compare {
        true => Some(Upstream::run(&pipeline, &tree, &image, &program.binary, args.guest.accel, &dir, &[])?),
        false => None,
    };

    let style = detect();
    let title = format!("Linux {}, series {}", image.facts.version, tree.series.name);
    println!("{}\n", style.strong(&title));
    let mut suites = vec![("cases", &cases)];
    suites.extend(kselftest.as_ref().map(|kselftest| ("kselftest", &kselftest.counted)));
    print!("{}", counted.table(&suites));
    if let Some(kselftest) = &kselftest {
        print!("\n{}", kselftest.text(style, false));
    }
    let remarks = remarks(&counted, &cases);
    remarks.iter().for_each(|remark| println!("\n{}", style.bad(remark)));

    if let Some(path) = &args.lcov {
        let place = |file: &str| counted.place.join(file).display().to_string();
        write(path, &lcov::render(&cases.coverage, &counted.sources, place))?;
    }
    if let Some(path) = &args.html {
        let title = format!("{title}: what the cases reach");
        write(path, &page::render(&title, &cases.coverage, &counted.sources, &counted.added, &uncovered, &remarks)?)?;
    }
    let verdicts = report.exit_code();
    if verdicts != ExitCode::AsExpected {
        println!("\n{} `cargo xtask report` shows them.", style.bad("Some verdicts are not as expected."));
    }
    let judged = if args.filters.is_empty() {
        judge(&counted, &cases, &uncovered, is_reference(&tree)?, style)
    } else {
        not_judged()
    };
    let lost = if cases.lost.is_empty() { ExitCode::AsExpected } else { ExitCode::GuestLost };
    Ok([verdicts, judged, lost].into_iter().max().unwrap_or(ExitCode::AsExpected))
}

/// Whether this is the kernel and series that mutants/uncovered.toml was written for.
fn is_reference(tree: &Tree) -> Result<bool> {
    let kernels = Kernels::load(&workspace::kernels())?;
    Ok(tree.spec.id == kernels.default_id() && tree.series.name == "derive")
}

fn not_judged() -> ExitCode {
    println!("\nOnly some cases were run, so lines that they do not reach are not judged.");
    ExitCode::AsExpected
}

fn remarks(counted: &CoverageKernel, suite: &SuiteCoverage) -> Vec<String> {
    let lost = suite.lost.iter().map(|lost| format!("Guest {} is not counted: {}.", lost.guest, lost.why));
    let unbuilt = counted.unbuilt().into_iter();
    let unbuilt = unbuilt.map(|path| format!("{path}: the series changes it, but this kernel does not compile it."));
    lost.chain(unbuilt).collect()
}

/// Prints the lines that were not reached. Each added line among them needs a reason, and each reason must still apply.
fn judge(
    counted: &CoverageKernel,
    suite: &SuiteCoverage,
    uncovered: &UncoveredList,
    reference: bool,
    style: Style,
) -> ExitCode {
    let all = unreached(&suite.coverage, &counted.sources, uncovered, &counted.added);
    let added: Vec<&Unreached> = all.iter().filter(|line| line.added).collect();
    if !added.is_empty() {
        println!("\n{}", style.strong("added lines that did not run"));
        added.iter().for_each(|line| println!("{}", shown(line, style)));
    }
    let unexplained: Vec<&Unreached> = all.iter().filter(|line| line.reason.is_none()).collect();
    println!(
        "\n{} lines did not run; mutants/uncovered.toml has a reason for {}.",
        all.len(),
        all.len() - unexplained.len()
    );
    let mut by_function: BTreeMap<(String, String), Vec<usize>> = BTreeMap::new();
    for line in &unexplained {
        let source = counted.sources.0.get(&line.file).map_or("", String::as_str);
        let function = Source::new(source).function(line.line).unwrap_or("outside of functions").to_string();
        by_function.entry((line.file.clone(), function)).or_default().push(line.line);
    }
    for ((file, function), lines) in by_function {
        let lines: Vec<String> = lines.iter().map(ToString::to_string).collect();
        println!("  {file} {function}: {}", lines.join(" "));
    }
    let sources: BTreeMap<&str, Source<'_>> =
        counted.sources.0.iter().map(|(path, text)| (path.as_str(), Source::new(text))).collect();
    let stale = uncovered.stale(&suite.coverage, |path| sources.get(path), reference);
    stale.iter().for_each(|entry| println!("{} {entry}", style.bad("stale:")));
    let gap = added.iter().any(|line| line.reason.is_none());
    if gap || !stale.is_empty() || !counted.unbuilt().is_empty() { ExitCode::BrokenCase } else { ExitCode::AsExpected }
}

fn shown(line: &Unreached, style: Style) -> String {
    let why = match &line.reason {
        Some(reason) => style.faint(reason),
        None => style.bad("no reason is given"),
    };
    format!("  {}:{}  {}\n      {why}", line.file, line.line, line.text)
}
