//! `cargo xtask dev kselftest`: runs the kernel's own selftests in the same kind of guest as the cases.

use std::path::Path;

use cases::kselftest::key;
use cases::protocol::Outcome;
use harness::error::{Result, io};
use harness::exit_code::ExitCode;
use harness::guest::boot_plan::BootPlan;
use harness::guest::initramfs::{GuestBinary, Initramfs};
use harness::guest::qemu::{self, Timeouts};
use harness::guest::recording::{GuestEnd, Recording};
use harness::host::style::{Style, detect, printable};
use harness::judge::transcript::{CaseRun, Transcript, TranscriptStep};
use harness::kbuild::image::KernelImage;
use harness::kbuild::kselftest::{self, SelftestProgram};
use mutants::coverage::counters::{Lost, counters};

use crate::commands::dev::coverage_kernel::{CoverageKernel, FLAVOUR, SuiteCoverage};
use crate::flags::{AccelChoice, KernelArgs, KselftestArgs};
use crate::run::pipeline::{Pipeline, Tree};
use crate::run::run_directory;
use crate::settings;

/// The udmabuf selftest needs two gigabytes of huge pages.
const MEMORY: u32 = 2560;
const HUGE_PAGES: &str = "hugepages=1024";
/// Parts of KTAP result lines.
const OK: &str = "ok ";
const NOT_OK: &str = "not ok ";
const SKIP: &str = "# SKIP";

/// The tests that ran, and what they reached.
pub struct Upstream {
    programs: Vec<SelftestProgram>,
    transcript: Transcript,
    ending: GuestEnd,
    /// The counters, in a flavour that has them.
    pub counted: SuiteCoverage,
}

/// Runs them and prints their output.
///
/// # Errors
/// When they cannot be run. A failed selftest is not an error.
pub fn run(args: &KselftestArgs, quiet: bool) -> Result<ExitCode> {
    let pipeline = Pipeline::open(quiet)?;
    let flavour = args.kernel.flavour.clone().or_else(|| Some(FLAVOUR.into()));
    let tree = pipeline.tree(&KernelArgs { flavour, ..args.kernel.clone() })?;
    let image = pipeline.made(&tree)?.image;
    let guest = pipeline.guest_program(tree.flavour.arch)?;
    let dir = run_directory::fresh(settings::keep(), &pipeline.progress)?;
    let upstream = Upstream::run(&pipeline, &tree, &image, &guest, args.accel, &dir, &[])?;
    print!("{}", upstream.text(detect(), true));
    if let Some(counted) = CoverageKernel::of(&tree, &image)? {
        print!("\n{}", counted.table(&[("kselftest", &upstream.counted)]));
    }
    println!("\nrecordings: {}", dir.display());
    Ok(upstream.exit_code())
}

impl Upstream {
    /// Builds the tests and runs them in one guest, whose recording is left in `dir`. `append` is for the kernel's command line.
    ///
    /// # Errors
    /// When building or booting fails.
    pub fn run(
        pipeline: &Pipeline,
        tree: &Tree,
        image: &KernelImage,
        guest: &GuestBinary,
        accel: AccelChoice,
        dir: &Path,
        append: &[String],
    ) -> Result<Self> {
        let (store, progress) = (&pipeline.store, &pipeline.progress);
        let programs = kselftest::build(&tree.spec.id, &tree.patched, &tree.flavour, store, progress)?;
        let others: Vec<(&str, &[u8])> =
            programs.iter().filter_map(|program| Some((program.name, program.made.as_deref().ok()?))).collect();
        let acceleration = pipeline.acceleration(accel, image)?;
        let dir = dir.join("kselftest");
        std::fs::create_dir_all(&dir).map_err(|error| io(&error, "creating", &dir))?;
        let initramfs = Initramfs::pack_with(&dir.join("initramfs.cpio"), guest, &[], &others)?;
        let mut boot = BootPlan::new(image.facts.arch(), &image.vmlinux, &initramfs, &dir, acceleration.accel());
        boot.memory = MEMORY;
        boot.append.push(HUGE_PAGES.into());
        boot.append.extend_from_slice(append);
        let task = progress.task("running the kernel's selftests", Some(others.len() as u64));
        let recording = qemu::run(&boot, Timeouts::default(), |record| match record {
            cases::protocol::Record::Begin { case, .. } => task.message(case.id()),
            cases::protocol::Record::End { .. } => task.inc(1),
            _ => {}
        })?;
        harness::host::process::check_interrupt()?;
        let Recording { results, ending, .. } = recording;
        let counted = match CoverageKernel::of(tree, image)? {
            None => SuiteCoverage::default(),
            Some(counted) => match counters(&results, &ending) {
                Ok(counters) => SuiteCoverage { coverage: counted.read(&counters)?, lost: Vec::new() },
                Err(why) => SuiteCoverage { coverage: counted.nothing()?, lost: vec![Lost { guest: 1, why }] },
            },
        };
        task.done(format!("{} programs", others.len()));
        Ok(Upstream { programs, transcript: Transcript::parse(&results), ending, counted })
    }

    fn run_of(&self, program: &SelftestProgram) -> Option<&CaseRun> {
        self.transcript.cases.iter().find(|run| run.key == key(program.name))
    }

    /// How each test ended; with `whole`, also its output.
    pub fn text(&self, style: Style, whole: bool) -> String {
        let mut text = String::new();
        for program in &self.programs {
            let title = style.strong(&format!("tools/testing/selftests/{}/{}", program.from, program.name));
            let (output, end) = match (&program.made, self.run_of(program)) {
                (Err(why), _) => (String::new(), style.bad(&format!("was not run: {why}"))),
                (_, None) => (String::new(), style.bad("was not run: the guest ended before it")),
                (_, Some(run)) => (if whole { notes(run) } else { String::new() }, ended(run, style)),
            };
            text += &format!("{title}\n{output}  {end}\n");
        }
        for complaint in &self.transcript.noticed {
            text += &format!("  {} {}\n", style.bad("the kernel complained:"), printable(&complaint.line));
        }
        if self.ending != GuestEnd::Left {
            text += &style.bad(&format!("the guest was lost: {:?}\n", self.ending));
        }
        for lost in &self.counted.lost {
            text += &style.bad(&format!("not counted: {}\n", lost.why));
        }
        text
    }

    /// What somebody who reads the results notices: one sentence for each.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        for program in &self.programs {
            let name = program.name;
            match self.run_of(program) {
                None => faults.push(format!("{name} was not run")),
                Some(run) => {
                    if !matches!(run.outcome, Some(Outcome::Pass | Outcome::Skip { .. })) {
                        faults.push(format!("{name} {}", ending(run)));
                    }
                    let failed = lines(run).filter(|line| line.starts_with(NOT_OK));
                    faults.extend(failed.map(|line| format!("{name}: {line}")));
                }
            }
        }
        faults.extend(self.transcript.noticed.iter().map(|complaint| format!("kernel: {}", complaint.line)));
        if self.ending != GuestEnd::Left {
            faults.push(format!("the guest was lost: {:?}", self.ending));
        }
        faults
    }

    /// The exit code for these results.
    pub fn exit_code(&self) -> ExitCode {
        let failed = |run: &CaseRun| !matches!(run.outcome, Some(Outcome::Pass | Outcome::Skip { .. }));
        if self.ending != GuestEnd::Left {
            ExitCode::GuestLost
        } else if self.programs.iter().any(|program| program.made.is_err()) {
            ExitCode::Build
        } else if self.transcript.cases.iter().any(failed) || !self.transcript.noticed.is_empty() {
            ExitCode::Violated
        } else {
            ExitCode::AsExpected
        }
    }
}

fn notes(run: &CaseRun) -> String {
    lines(run).map(|line| format!("    {}\n", printable(line))).collect()
}

/// The lines that a test printed.
fn lines(run: &CaseRun) -> impl Iterator<Item = &str> {
    run.steps.iter().filter_map(|step| if let TranscriptStep::Note(line) = step { Some(line.as_str()) } else { None })
}

fn ending(run: &CaseRun) -> String {
    let end = run.steps.iter().rev().find_map(|step| match step {
        TranscriptStep::Call { result, .. } => result.clone(),
        _ => None,
    });
    end.unwrap_or_else(|| "it did not end".into())
}

/// How a test ended, with the counts of its KTAP results.
fn ended(run: &CaseRun, style: Style) -> String {
    let end = ending(run);
    let skipped = lines(run).filter(|line| line.starts_with(OK) && line.contains(SKIP)).count();
    let passed = lines(run).filter(|line| line.starts_with(OK)).count() - skipped;
    let failed = lines(run).filter(|line| line.starts_with(NOT_OK)).count();
    // Selftests of older kernels do not print KTAP.
    let results = match passed + failed + skipped {
        0 => "no results in KTAP".to_string(),
        _ => format!("{passed} ok, {failed} not ok, {skipped} skipped"),
    };
    let summary = format!("{end}; {results}; {} ms of guest time", run.ms);
    match &run.outcome {
        Some(Outcome::Pass) if failed == 0 => style.good(&summary),
        Some(Outcome::Pass | Outcome::Skip { .. }) => style.notable(&summary),
        _ => style.bad(&summary),
    }
}
