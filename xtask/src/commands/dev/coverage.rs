//! `cargo xtask coverage`: which lines and branches of the code under test the cases reach.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use harness::build::kbuild::{KernelImage, profile};
use harness::error::{Blame, Error, Result};
use harness::exit_code::ExitCode;
use harness::host::style::{Style, detect};
use harness::judge::guest_run::GuestRun;
use harness::source::spec::Kernels;
use mutants::coverage::added::{self, Added};
use mutants::coverage::counters::{Counters, Lost, counters};
use mutants::coverage::excuses::{Excuses, Source};
use mutants::coverage::summary::{Row, Sources, Unreached, rows, table, unreached};
use mutants::coverage::{Coverage, gcov, lcov, page};

use crate::commands::dev::kselftest::Upstream;
use crate::commands::test;
use crate::flags::{CoverageArgs, KernelArgs, RepeatArgs};
use crate::run::job::{Job, Ledger, Program};
use crate::run::pipeline::{Pipeline, Tree};
use crate::run::plan;
use crate::run::run_directory;
use crate::run::run_directory::write;
use crate::run::run_files;
use crate::settings;
use crate::workspace;

/// The flavour that counts.
pub const FLAVOUR: &str = "coverage";

/// What the cases, or other tests, have reached.
#[derive(Default)]
pub struct Suite {
    /// All guests together.
    pub coverage: Coverage,
    /// Guests that are not in it.
    pub lost: Vec<Lost>,
}

/// A kernel that counts.
pub struct Counted {
    notes: PathBuf,
    place: PathBuf,
    wanted: BTreeSet<PathBuf>,
    sources: Sources,
    added: Added,
}

impl Counted {
    /// What is known about the counters of a kernel; nothing for one that has none.
    ///
    /// # Errors
    /// [`Blame::Internal`] when an image has lost what gcc noted down.
    pub fn of(tree: &Tree, image: &KernelImage) -> Result<Option<Self>> {
        let files = profile::files(&tree.flavour, &tree.patched);
        if files.is_empty() {
            return Ok(None);
        }
        let (notes, place) = (profile::notes(image), profile::sources(image));
        if !notes.is_dir() {
            return Err(Error::new(Blame::Internal, "the image counts, and nothing says what")
                .cause(format!("{} is not there", notes.display())));
        }
        let added = added::of(&tree.patched);
        let wanted: BTreeSet<PathBuf> = files.into_iter().chain(added.keys().map(PathBuf::from)).collect();
        let sources = Sources::read(&place, &wanted);
        Ok(Some(Counted { notes, place, wanted, sources, added }))
    }

    /// What the counters of one guest mean.
    ///
    /// # Errors
    /// As [`gcov::read`].
    pub fn read(&self, counters: &Counters) -> Result<Coverage> {
        gcov::read(&self.notes, counters, &self.wanted)
    }

    /// What there is to be reached.
    ///
    /// # Errors
    /// As [`gcov::read`].
    pub fn nothing(&self) -> Result<Coverage> {
        self.read(&Counters::new())
    }

    /// All guests whose recordings are below `dir`.
    fn gather(&self, dir: &Path) -> Result<Suite> {
        let mut suite = Suite { coverage: self.nothing()?, lost: Vec::new() };
        for guest in 1.. {
            let dir = dir.join(format!("guest-{guest}"));
            if !dir.is_dir() {
                break;
            }
            let run = GuestRun::load(&dir)?;
            match counters(&run.recording.results, &run.recording.ending) {
                Ok(counters) => suite.coverage.add(&self.read(&counters)?),
                Err(why) => {
                    let keys: Vec<String> = run.begun().iter().map(ToString::to_string).collect();
                    suite.lost.push(Lost { guest, why: format!("{why}; it ran {}", keys.join(", ")) });
                }
            }
        }
        Ok(suite)
    }

    fn rows(&self, suite: &Suite) -> BTreeMap<String, Row> {
        rows(&suite.coverage, &self.sources, &self.added)
    }

    /// A table of suites side by side.
    pub fn table(&self, suites: &[(&str, &Suite)]) -> String {
        let suites: Vec<_> = suites.iter().map(|(name, suite)| (*name, self.rows(suite))).collect();
        table(&suites)
    }

    /// Files that the series adds to and that gcc made no notes of: no option of this flavour turns them on.
    fn unbuilt(&self) -> Vec<&String> {
        let code = |path: &&String| path.ends_with(".c") && !self.notes.join(path).with_extension("gcno").is_file();
        self.added.keys().filter(code).collect()
    }
}

/// Runs the cases in a kernel that counts, and prints what they reached.
///
/// # Errors
/// Whatever keeps the cases from being run. What they reach is no error.
pub fn run(args: &CoverageArgs, quiet: bool) -> Result<ExitCode> {
    let chosen = plan::select(&args.filters, false, &[])?;
    let excuses = Excuses::built_in()?;
    let pipeline = Pipeline::open(quiet)?;
    let flavour = args.kernel.flavour.clone().or_else(|| Some(FLAVOUR.into()));
    let kernel = KernelArgs { flavour, ..args.kernel.clone() };
    let tree = pipeline.tree(&kernel)?;
    if profile::files(&tree.flavour, &tree.patched).is_empty() {
        return Err(Error::new(Blame::Usage, format!("a kernel of flavour {} counts nothing", tree.flavour.name))
            .next("Leave --flavour out."));
    }
    let made = pipeline.made(&tree)?;
    let image = made.image.clone();
    let counted = Counted::of(&tree, &image)?.ok_or_else(|| Error::new(Blame::Internal, "no counters"))?;
    let job = Job::new(made, chosen)?;
    job.not_nothing()?;
    let program = Program::build(&pipeline)?;
    let dir = run_directory::fresh(settings::keep(), &pipeline.progress)?;
    let (options, provenance) = (test::options(&kernel, args.accel), run_files::provenance().answered());
    let ledger = Ledger { dir: &dir, options: &options, provenance: &provenance };
    let report = job.run(&pipeline, &program, &RepeatArgs::default(), args.accel, ledger)?;
    let task = pipeline.progress.task("reading what was counted", None);
    let ours = counted.gather(&dir)?;
    task.done(format!("{} guests, {} lost", report.guests, ours.lost.len()));
    let theirs = match args.compare {
        true => Some(Upstream::run(&pipeline, &tree, &image, &program.binary, args.accel, &dir)?),
        false => None,
    };

    let style = detect();
    let title = format!("Linux {}, series {}", image.facts.version, tree.series.name);
    println!("{}\n", style.strong(&title));
    let mut suites = vec![("cases", &ours)];
    suites.extend(theirs.as_ref().map(|theirs| ("kselftest", &theirs.counted)));
    print!("{}", counted.table(&suites));
    if let Some(theirs) = &theirs {
        print!("\n{}", theirs.text(style, false));
    }
    let remarks = remarks(&counted, &ours);
    remarks.iter().for_each(|remark| println!("\n{}", style.bad(remark)));

    if let Some(path) = &args.lcov {
        let place = |file: &str| counted.place.join(file).display().to_string();
        write(path, &lcov::render(&ours.coverage, &counted.sources, place))?;
    }
    if let Some(path) = &args.html {
        let title = format!("{title}: what the cases reach");
        write(path, &page::render(&title, &ours.coverage, &counted.sources, &counted.added, &excuses, &remarks)?)?;
    }
    let verdicts = report.exit_code();
    if verdicts != ExitCode::AsExpected {
        println!("\n{} `cargo xtask report` shows them.", style.bad("Not every verdict is as expected."));
    }
    let judged = if args.filters.is_empty() {
        judge(&counted, &ours, &excuses, is_reference(&tree)?, style)
    } else {
        not_judged()
    };
    let lost = if ours.lost.is_empty() { ExitCode::AsExpected } else { ExitCode::GuestLost };
    Ok([verdicts, judged, lost].into_iter().max().unwrap_or(ExitCode::AsExpected))
}

/// Whether this is what harness/uncovered.toml was written for.
fn is_reference(tree: &Tree) -> Result<bool> {
    let kernels = Kernels::load(&workspace::kernels())?;
    Ok(tree.spec.id == kernels.default_id() && tree.series.name == "derive")
}

fn not_judged() -> ExitCode {
    println!("\nOnly some cases were run: what they do not reach is no gap.");
    ExitCode::AsExpected
}

fn remarks(counted: &Counted, suite: &Suite) -> Vec<String> {
    let lost = suite.lost.iter().map(|lost| format!("Nothing of guest {} is counted: {}.", lost.guest, lost.why));
    let unbuilt = counted.unbuilt().into_iter();
    let unbuilt = unbuilt.map(|path| format!("{path}: the series adds to it, and this kernel is built without it."));
    lost.chain(unbuilt).collect()
}

/// Prints what is not reached. Every added line of it has to have a reason, and every reason has to be of use.
fn judge(counted: &Counted, suite: &Suite, excuses: &Excuses, reference: bool, style: Style) -> ExitCode {
    let all = unreached(&suite.coverage, &counted.sources, excuses, &counted.added);
    let added: Vec<&Unreached> = all.iter().filter(|line| line.added).collect();
    if !added.is_empty() {
        println!("\n{}", style.strong("added lines that did not run"));
        added.iter().for_each(|line| println!("{}", shown(line, style)));
    }
    let unexplained: Vec<&Unreached> = all.iter().filter(|line| line.reason.is_none()).collect();
    println!(
        "\n{} lines did not run; harness/uncovered.toml has a reason for {}.",
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
    let stale = excuses.stale(&suite.coverage, |path| sources.get(path), reference);
    stale.iter().for_each(|entry| println!("{} {entry}", style.bad("stale:")));
    let gap = added.iter().any(|line| line.reason.is_none());
    if gap || !stale.is_empty() || !counted.unbuilt().is_empty() { ExitCode::BrokenCase } else { ExitCode::AsExpected }
}

fn shown(line: &Unreached, style: Style) -> String {
    let why = match &line.reason {
        Some(reason) => style.faint(reason),
        None => style.bad("no reason is known"),
    };
    format!("  {}:{}  {}\n      {why}", line.file, line.line, line.text)
}
