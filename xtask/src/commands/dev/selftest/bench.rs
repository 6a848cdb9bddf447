//! Runs fault cases: a kernel that can misbehave, its guests and their timeouts.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use cases::faults::{self, GuestTuning};
use cases::protocol::{CaseKey, Outcome, Record};
use cases::runner::LIMIT;
use harness::error::{Error, ErrorKind, Result, io};
use harness::findings;
use harness::guest::boot_plan::BootPlan;
use harness::guest::initramfs::{GuestBinary, Initramfs};
use harness::guest::qemu::Timeouts;
use harness::host::style::Style;
use harness::judge::complaint::suppressions::Suppressions;
use harness::judge::context::{JudgeContext, needs_met};
use harness::judge::expectation::Expectations;
use harness::judge::guest_run::GuestRun;
use harness::judge::judged_run::{JudgedRun, judge_all};
use harness::judge::verdict::{CaseVerdict, Verdict};
use harness::kbuild::image::KernelImage;
use harness::patch::series::claims::Claims;
use harness::report::render::terminal;
use harness::report::run_report::{RunReport, SCHEMA, Timing};
use harness::session::accel::Accel;
use harness::session::guests::Session;

use crate::flags::{KernelArgs, SelftestArgs};
use crate::run::job::setting;
use crate::run::pipeline::{BuiltKernel, Pipeline};

/// The flavour with the code of the faults.
const FLAVOUR: &str = "faults";

/// A kernel, a guest program and a directory for recordings.
pub struct FaultBench {
    /// The image.
    pub image: KernelImage,
    /// How long a guest with one plain case takes, from start to end of QEMU.
    pub plain: Duration,
    guest: GuestBinary,
    context: JudgeContext,
    made: BuiltKernel,
    dir: tempfile::TempDir,
    sessions: AtomicUsize,
}

impl FaultBench {
    /// Builds what is needed and boots it once: without a fault, a guest has to run its case.
    ///
    /// # Errors
    /// When the kernel cannot be built or booted.
    pub fn open(pipeline: &Pipeline, args: &SelftestArgs) -> Result<Self> {
        let kernel = KernelArgs { flavour: Some(FLAVOUR.into()), no_install: args.no_install, ..KernelArgs::default() };
        let kernel = KernelArgs { kernel: args.kernel.clone(), arch: args.arch, ..kernel };
        let made = pipeline.kernel(&kernel)?;
        let guest = pipeline.guest_program(made.image.facts.arch())?;
        let dir = tempfile::Builder::new().prefix("selftest-").tempdir();
        let dir = dir.map_err(|error| {
            Error::new(ErrorKind::Host, "no temporary directory")
                .cause(error)
                .next("Set TMPDIR to a directory that you may write to.")
        })?;
        let image = made.image.clone();
        // No suppressions, no known defects, no reviewed transcripts.
        let context = JudgeContext {
            met: needs_met(&image.config()?, &image.facts),
            expectations: Expectations::new(dir.path()),
            suppressions: Suppressions::default(),
            claims: Claims::default(),
        };
        let mut bench =
            FaultBench { image, plain: Duration::ZERO, guest, context, made, dir, sessions: AtomicUsize::new(0) };
        let first = faults::all().next().ok_or_else(|| Error::new(ErrorKind::Internal, "there are no fault cases"))?;
        let start = Instant::now();
        let plan = [first.after_key()];
        let guests = bench.session(&bench.session_dir()?, GuestTuning::Brief, &plan, |_| {})?;
        let verdict = bench.judge(&plan[0], &guests)?.verdicts.remove(0);
        bench.plain = start.elapsed();
        match passed(&verdict) {
            true => Ok(bench),
            false => Err(Error::new(ErrorKind::Internal, "a guest without a fault does not run its case")
                .cause(sentence(&verdict.verdict))),
        }
    }

    /// A directory for the recordings of one session.
    ///
    /// # Errors
    /// When it cannot be created.
    pub fn session_dir(&self) -> Result<PathBuf> {
        let dir = self.dir.path().join(self.sessions.fetch_add(1, Ordering::Relaxed).to_string());
        std::fs::create_dir(&dir).map_err(|error| io(&error, "creating", &dir))?;
        Ok(dir)
    }

    /// Keeps the recordings after this program and returns their directory.
    pub fn keep(mut self) -> PathBuf {
        self.dir.disable_cleanup(true);
        self.dir.path().to_path_buf()
    }

    /// Runs a plan.
    ///
    /// # Errors
    /// As [`Session::record`].
    pub fn session(
        &self,
        dir: &Path,
        setting: GuestTuning,
        plan: &[CaseKey],
        on_record: impl FnMut(&Record),
    ) -> Result<Vec<GuestRun>> {
        let session = Session {
            append: words(setting),
            timeouts: self.timeouts(),
            // Emulation on every host, so that resets and the like behave the same everywhere.
            ..Session::new(&self.image, &self.guest, &self.context, Accel::Tcg, dir)
        };
        session.record(plan, on_record)
    }

    /// The boot plan of a single guest, for the caller to break.
    ///
    /// # Errors
    /// When the initramfs cannot be written.
    pub fn boot(&self, dir: &Path, plan: &[CaseKey]) -> Result<BootPlan> {
        let initramfs = Initramfs::pack(&dir.join("initramfs.cpio"), &self.guest, plan)?;
        let mut boot = BootPlan::new(self.image.facts.arch(), &self.image.vmlinux, &initramfs, dir, Accel::Tcg);
        boot.append = words(GuestTuning::Brief);
        Ok(boot)
    }

    /// Timeouts of guests: shorter than elsewhere, because here most guests really hang.
    pub fn timeouts(&self) -> Timeouts {
        Timeouts { grace: Duration::from_secs(6), leave: Duration::from_secs(2), ..Timeouts::default() }
    }

    /// Judges one case from these guests.
    ///
    /// # Errors
    /// As [`judge_all`].
    pub fn judge(&self, key: &CaseKey, guests: &[GuestRun]) -> Result<JudgedRun> {
        judge_all(std::slice::from_ref(key), guests, &self.context)
    }

    /// The report that `cargo xtask test` would have made.
    pub fn report(&self, verdict: CaseVerdict, protocol_errors: Vec<String>) -> RunReport {
        RunReport {
            schema: SCHEMA,
            setting: setting(&self.made, Accel::Tcg.name()),
            findings: findings::group(std::slice::from_ref(&verdict)),
            verdicts: vec![verdict],
            protocol_errors,
            order_unchecked: 0,
            guests: 1,
            timing: Timing::default(),
            interrupted: false,
            elsewhere: Vec::new(),
            rounds: None,
            provenance: None,
        }
    }
}

/// The report for people, on one line.
pub fn text(report: &RunReport) -> String {
    let text = terminal::render(report, Style::Plain, true, |verdict| verdict.key.to_string());
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether the case passed. Transcripts of fault cases are not reviewed.
pub fn passed(verdict: &CaseVerdict) -> bool {
    let ended_well = verdict.run.as_ref().is_some_and(|run| run.outcome == Some(Outcome::Pass));
    ended_well && matches!(verdict.verdict, Verdict::Pass | Verdict::Unreviewed)
}

/// The explanation of a verdict.
pub fn sentence(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Failed { reasons } => reasons.join("; "),
        Verdict::Lost { how, .. } => how.clone(),
        Verdict::Broken { why } | Verdict::Skipped { why, .. } | Verdict::UnexpectedSkip { why, .. } => why.clone(),
        other => other.word().into(),
    }
}

/// The guest that began a case.
pub fn guest_of(guests: &[GuestRun], key: &CaseKey) -> Option<usize> {
    let began = |guest: &GuestRun| guest.transcript.cases.iter().any(|case| case.key == *key);
    guests.iter().position(began)
}

/// The case that a guest began last.
pub fn last_case(guest: &GuestRun) -> Option<CaseKey> {
    guest.transcript.cases.last().map(|case| case.key.clone())
}

fn words(setting: GuestTuning) -> Vec<String> {
    let limit = |ms: u32| format!("{LIMIT}={ms}");
    match setting {
        GuestTuning::Brief => vec![limit(1500)],
        GuestTuning::Patient => vec![limit(30_000)],
        GuestTuning::Detectors | GuestTuning::Stalls => [
            limit(if setting == GuestTuning::Stalls { 9000 } else { 3500 }),
            "sysctl.kernel.watchdog_thresh=1".into(),
            "sysctl.kernel.hung_task_timeout_secs=1".into(),
            // Seconds; the kernel takes no less.
            "rcupdate.rcu_cpu_stall_timeout=3".into(),
        ]
        .to_vec(),
    }
}
