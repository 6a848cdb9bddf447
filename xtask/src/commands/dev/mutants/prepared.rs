//! What every run on mutants needs: the joint kernel, the guest program, the cases, and the proof that all of them pass without a
//! mutant.

use std::time::Instant;

use cases::protocol::CaseKey;
use harness::error::{ErrorKind, Result};
use harness::guest::initramfs::GuestBinary;
use harness::host::process::check_interrupt;
use harness::judge::context::JudgeContext;
use harness::judge::judged_run::judge_all;
use harness::kbuild::image::KernelImage;
use harness::report::run_report::RunSetting;
use harness::session::accel::Acceleration;
use harness::session::guests::Session;
use mutants::outcome::MutantOutcome;
use mutants::schemata::{CHOSEN, selection};

use super::kernels::{self, JointKernel};
use super::mutant::{Mutant, MutantKernel};
use super::results::{Baseline, Results, RunMode};
use super::runner::runs_selected;
use crate::flags::MutantsArgs;
use crate::run::job::{context, setting};
use crate::run::pipeline::{BuiltKernel, Pipeline, Tree};
use crate::run::plan;

/// Everything that runs on mutants share.
pub struct Prepared<'a> {
    /// Where kernels are made, and progress is shown.
    pub pipeline: &'a Pipeline,
    /// The kernel tree with the series.
    pub tree: &'a Tree,
    /// The kernel with all mutants that can be selected at boot.
    pub joint: JointKernel,
    /// The guest program.
    pub guest: GuestBinary,
    /// How cases are judged.
    pub context: JudgeContext,
    /// The cases, in the order of the suite.
    pub plan: Vec<CaseKey>,
    /// KVM or emulation.
    pub acceleration: Acceleration,
    /// When the command started.
    pub start: Instant,
    /// Time spent on kernels, in seconds.
    pub kernel_seconds: f64,
}

impl<'a> Prepared<'a> {
    /// Builds the joint kernel and the guest program.
    ///
    /// # Errors
    /// As [`kernels::joint`] and the stages of the pipeline.
    pub fn new(
        (pipeline, tree): (&'a Pipeline, &'a Tree),
        mutants: &[Mutant],
        args: &MutantsArgs,
        start: Instant,
    ) -> Result<Self> {
        let joint = kernels::joint(pipeline, tree, mutants)?;
        let kernel_seconds = start.elapsed().as_secs_f64();
        let guest = pipeline.guest_program(tree.flavour.arch)?;
        let context = JudgeContext { claims: tree.series.claims.clone(), ..context(&joint.image)? };
        let (plan, _) = plan::about(plan::select(&[], false, &[])?, &context.met);
        let acceleration = pipeline.acceleration(args.accel, &joint.image)?;
        Ok(Prepared { pipeline, tree, joint, guest, context, plan, acceleration, start, kernel_seconds })
    }

    /// The results of the joint kernel.
    ///
    /// # Errors
    /// As [`Results::open`].
    pub fn results(&self, mode: RunMode) -> Result<Results> {
        Results::open(&self.joint.image, &self.guest, &self.plan, mode)
    }

    /// The kernel that a mutant is in, and its results. The outer error ends the command; the inner one is the outcome of a mutant
    /// that does not compile.
    ///
    /// # Errors
    /// As [`kernels::own`].
    pub fn kernel_of(
        &mut self,
        mutant: &Mutant,
        mode: RunMode,
    ) -> Result<std::result::Result<(KernelImage, Results), MutantOutcome>> {
        if let MutantKernel::Joint(..) = mutant.place {
            return Ok(Ok((self.joint.image.clone(), self.results(mode)?)));
        }
        let start = Instant::now();
        let image = match kernels::own(self.pipeline, self.tree, mutant) {
            Ok(image) => image,
            Err(error) if error.kind == ErrorKind::Build => {
                return Ok(Err(MutantOutcome::Unviable { why: error.title }));
            }
            Err(error) => return Err(error),
        };
        self.kernel_seconds += start.elapsed().as_secs_f64();
        let results = Results::open(&image, &self.guest, &self.plan, mode)?;
        Ok(Ok((image, results)))
    }

    /// Runs every case on the joint kernel with no mutant selected, or returns the saved result of that. Returns `None` unless all
    /// verdicts are as expected: otherwise verdicts on mutants would mean nothing.
    ///
    /// # Errors
    /// As [`Acceleration::record`].
    pub fn baseline(&mut self, results: &Results, anew: bool) -> Result<Option<Baseline>> {
        if let Some(saved) = results.baseline().filter(|_| !anew) {
            return Ok(Some(saved));
        }
        let start = Instant::now();
        let task = self.pipeline.progress.task("the kernel without a mutant", None);
        let dir = results.guests("none");
        let _ = std::fs::remove_dir_all(&dir);
        let session = Session {
            append: vec![format!("{CHOSEN}={}", selection(&[]))],
            ..Session::new(&self.joint.image, &self.guest, &self.context, self.acceleration.accel(), &dir)
        };
        let guests = self.acceleration.record(&session, &self.plan, |_| {})?;
        check_interrupt()?;
        runs_selected(&guests, &[])?;
        let judged = judge_all(&self.plan, &guests, &self.context)?;
        let wrong: Vec<_> = judged.verdicts.iter().filter(|verdict| !verdict.verdict.is_as_expected()).collect();
        if !wrong.is_empty() || !judged.protocol_errors.is_empty() {
            for verdict in &wrong {
                eprintln!("{} {}: {:?}", verdict.verdict.word(), verdict.key, verdict.verdict);
            }
            judged.protocol_errors.iter().for_each(|error| eprintln!("protocol error: {error}"));
            eprintln!(
                "Verdicts on the kernel without a mutant are not as expected, so verdicts on mutants would mean nothing."
            );
            eprintln!("recordings: {}", dir.display());
            return Ok(None);
        }
        let runs = judged.verdicts.iter().filter_map(|verdict| verdict.run.as_ref());
        let times = runs.map(|run| (run.key.clone(), run.ms)).collect();
        let baseline = Baseline { times, seconds: start.elapsed().as_secs_f64() };
        results.set_baseline(&baseline)?;
        task.done(format!("all {} cases as expected", judged.verdicts.len()));
        Ok(Some(baseline))
    }

    /// What was run, for a report.
    pub fn setting(&self) -> RunSetting {
        let made = BuiltKernel {
            image: self.joint.image.clone(),
            kernel: self.tree.spec.id.clone(),
            series: self.tree.series.name.clone(),
            built: false,
            notes: Vec::new(),
            patches: Vec::new(),
            claims: self.tree.series.claims.clone(),
            seconds: self.kernel_seconds,
        };
        setting(&made, self.acceleration.text())
    }
}
