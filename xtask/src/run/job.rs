//! One run: takes a built kernel and a plan, returns a report.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Instant;

use cases::model::generate::SEED_WORD;
use cases::need::Need;
use cases::protocol::CaseKey;
use harness::error::{Context, ErrorKind, Result};
use harness::findings;
use harness::guest::initramfs::GuestBinary;
use harness::host::arch::Arch;
use harness::host::progress::{Mode, Progress};
use harness::host::style::Style;
use harness::judge::complaint::suppressions::Suppressions;
use harness::judge::context::{JudgeContext, needs_met};
use harness::judge::expectation::Expectations;
use harness::judge::expectation::known_defects::KnownDefects;
use harness::judge::verdict::{CaseVerdict, Verdict};
use harness::kbuild::image::KernelImage;
use harness::patch::series::claims::Claims;
use harness::report::matrix::{Cell, Matrix};
use harness::report::provenance::Provenance;
use harness::report::render::{html, terminal};
use harness::report::run_report::{RunReport, RunSetting, SCHEMA, Timing};
use harness::session::guests::Session;
use harness::source::spec::Kernels;

use crate::flags::{GuestArgs, RepeatArgs};
use crate::run::case_times;
use crate::run::debug;
use crate::run::debug::Gdb;
use crate::run::pipeline::{BuiltKernel, Pipeline};
use crate::run::plan;
use crate::run::rounds::{RoundRunner, RoundsDone};
use crate::run::run_directory::write;
use crate::run::run_files;
use crate::workspace;

/// A kernel with the selected cases that are about it.
pub struct PlannedRun {
    made: BuiltKernel,
    met: BTreeSet<Need>,
    plan: Vec<CaseKey>,
    elsewhere: Vec<CaseKey>,
    debugged: bool,
    seed: Option<u64>,
}

/// Where a run is kept, and how it was started.
#[derive(Clone, Copy)]
pub struct RunOutput<'a> {
    /// The directory.
    pub dir: &'a Path,
    /// Options of `cargo xtask test` that select the same kernel again.
    pub options: &'a str,
    /// The command, and the versions of all tools involved.
    pub provenance: &'a Provenance,
}

/// The program that guests run, and how long it took to build, in seconds.
pub struct Program {
    /// The program.
    pub binary: GuestBinary,
    seconds: f64,
}

impl Program {
    /// Builds it.
    ///
    /// # Errors
    /// As [`Pipeline::guest_program`].
    pub fn build(pipeline: &Pipeline, arch: &'static Arch) -> Result<Self> {
        let start = Instant::now();
        let binary = pipeline.guest_program(arch)?;
        Ok(Program { binary, seconds: start.elapsed().as_secs_f64() })
    }
}

impl PlannedRun {
    /// Selects the cases that are about this kernel.
    ///
    /// # Errors
    /// When the image's configuration cannot be read.
    pub fn new(made: BuiltKernel, chosen: Vec<CaseKey>) -> Result<Self> {
        let met = needs_met(&made.image.config()?, &made.image.facts);
        let (plan, elsewhere) = plan::about(chosen, &met);
        Ok(PlannedRun { made, met, plan, elsewhere, debugged: false, seed: None })
    }

    /// The architecture of the kernel.
    pub fn arch(&self) -> &'static Arch {
        self.made.image.facts.arch()
    }

    /// The same run under gdb.
    ///
    /// # Errors
    /// As [`debug::require_one_case`].
    pub fn debugged(self) -> Result<Self> {
        debug::require_one_case(&self.plan)?;
        Ok(PlannedRun { debugged: true, ..self })
    }

    /// The same run with the random sequences of this seed.
    pub fn seeded(self, seed: Option<u64>) -> Self {
        PlannedRun { seed, ..self }
    }

    /// Fails if no selected case applies to this kernel.
    ///
    /// # Errors
    /// As [`plan::require_cases`].
    pub fn require_cases(&self) -> Result<()> {
        plan::require_cases(&self.plan, &self.elsewhere)
    }

    /// Runs and judges it. Leaves recordings, the report in three formats, and the inputs in the output directory.
    ///
    /// # Errors
    /// When the run cannot be judged. Failed cases are not an error.
    pub fn run(
        self,
        pipeline: &Pipeline,
        program: &Program,
        repeat: &RepeatArgs,
        guest: &GuestArgs,
        RunOutput { dir, options, provenance }: RunOutput<'_>,
    ) -> Result<RunReport> {
        let PlannedRun { made, met, plan, elsewhere, debugged, seed } = self;
        let facts = &made.image.facts;
        let provenance = provenance.clone().of_kernel(facts.arch(), &facts.compiler);
        run_files::before(dir, &made, &provenance)?;
        let mut acceleration = pipeline.acceleration(guest.accel, &made.image)?;
        let gdb = debugged.then(|| Gdb::prepare(made.image.facts.arch(), &plan, &made.image.dir, dir)).transpose()?;
        // Progress lines would overwrite gdb's prompt.
        let quiet = Progress::new(Mode::Quiet);
        let context = JudgeContext { met, claims: made.claims.clone(), ..context(&made.image)? };
        let mut sessions = RoundRunner {
            session: Session {
                jobs: guest.jobs(),
                times: case_times::load(&made.image.facts.flavour),
                append: seed.map(|seed| format!("{SEED_WORD}={seed}")).into_iter().collect(),
                ..Session::new(&made.image, &program.binary, &context, acceleration.accel(), dir)
            },
            acceleration: &mut acceleration,
            progress: if gdb.is_some() { &quiet } else { &pipeline.progress },
            gdb: gdb.as_ref(),
        };
        let start = Instant::now();
        let RoundsDone { merged, guests } = sessions.run(&plan, repeat)?;
        let timing =
            Timing { kernel: made.seconds, guest_program: program.seconds, guests: start.elapsed().as_secs_f64() };

        propose(&merged.verdicts, &context.expectations)?;
        let report = RunReport {
            schema: SCHEMA,
            setting: RunSetting { options: options.into(), ..setting(&made, acceleration.text()) },
            findings: findings::group(&merged.verdicts),
            verdicts: merged.verdicts,
            protocol_errors: merged.protocol_errors,
            order_unchecked: merged.order_unchecked,
            guests,
            timing,
            interrupted: merged.interrupted,
            elsewhere,
            rounds: merged.rounds,
            provenance: Some(provenance),
        };
        keep(dir, &report)?;
        Ok(report)
    }
}

/// Writes transcripts and the report in three formats into the directory of the run.
///
/// # Errors
/// [`ErrorKind::Host`] when they cannot be written.
pub fn keep(dir: &Path, report: &RunReport) -> Result<()> {
    run_files::after(dir, report)?;
    case_times::learn(report);
    write(&dir.join("report.json"), &json(report)?)?;
    let text = terminal::render(report, Style::Plain, true, |verdict| report.setting.again(verdict));
    write(&dir.join("report.txt"), &text)?;
    write(&dir.join(html::NAME), &html::render(&Matrix::new(vec![Cell::ran(report.clone())]))?)
}

/// The report as JSON.
///
/// # Errors
/// [`ErrorKind::Internal`] when it cannot be encoded.
pub fn json(report: &RunReport) -> Result<String> {
    Ok(serde_json::to_string_pretty(report).context(ErrorKind::Internal, || "encoding the report".into())? + "\n")
}

/// How cases are judged on this kernel, with a series that declares nothing.
///
/// # Errors
/// When the image's configuration, kernels.toml, the known defects or the suppressions cannot be read.
pub fn context(image: &KernelImage) -> Result<JudgeContext> {
    let kernels = Kernels::load(&workspace::kernels())?;
    let expectations = Expectations::new(&workspace::snapshots()).on(&image.facts.version, kernels.default_id());
    Ok(JudgeContext {
        met: needs_met(&image.config()?, &image.facts),
        expectations: expectations.knowing(KnownDefects::built_in()?),
        suppressions: Suppressions::built_in()?,
        claims: Claims::default(),
    })
}

/// The description of the run in its report.
pub fn setting(made: &BuiltKernel, accel: &str) -> RunSetting {
    RunSetting {
        kernel: made.kernel.clone(),
        version: made.image.facts.version.clone(),
        origin: made.image.facts.origin.clone(),
        series: made.series.clone(),
        flavour: made.image.facts.flavour.clone(),
        accel: accel.to_string(),
        image: made.image.facts.key.clone(),
        built: made.built,
        options: String::new(),
        notes: made.notes.clone(),
        claims: made.claims.clone(),
        pack: None,
    }
}

/// Writes new and different transcripts where `cargo insta review` finds them. Transcripts of failed cases are never proposed,
/// so that nobody accepts one.
fn propose(verdicts: &[CaseVerdict], expectations: &Expectations) -> Result<()> {
    for verdict in verdicts {
        let Some(run) = &verdict.run else { continue };
        match verdict.verdict {
            Verdict::Unreviewed | Verdict::Differs { .. } | Verdict::Recorded { .. } => {
                expectations.propose(&run.key, &run.text()).map(drop)?;
            }
            Verdict::Pass | Verdict::ExpectedHazard { .. } => expectations.withdraw(&verdict.key),
            _ => {}
        }
    }
    Ok(())
}
