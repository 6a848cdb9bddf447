//! Runs a plan to its end, in as many guests as it takes. After a lost guest or a complaint the next case starts in a new
//! guest. Every planned case gets exactly one verdict.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use cases::protocol::{CaseKey, Record};

use crate::error::{Result, io};
use crate::guest::boot_plan::{Accel, BootPlan};
use crate::guest::initramfs::{GuestBinary, Initramfs};
use crate::guest::qemu::{self, Timeouts};
use crate::guest::recording::{GuestEnd, Recording};
use crate::judge::context::JudgeContext;
use crate::judge::foundations::{self, Violated};
use crate::judge::guest_run::{FUTILE_GUESTS, GuestRun, StopReason};
use crate::judge::judged_run::{JudgedRun, judge_all};
use crate::kbuild::image::KernelImage;
use crate::session::fail_fast::{Observer, StopAt, finds_fault};

/// A kernel, and everything that is needed to run plans in it and to judge them. All cases are run through this type.
#[derive(Clone, Debug)]
pub struct Session<'a> {
    /// The kernel.
    pub image: &'a KernelImage,
    /// The guest program.
    pub program: &'a GuestBinary,
    /// What verdicts are based on.
    pub context: &'a JudgeContext,
    /// KVM or emulation.
    pub accel: Accel,
    /// Where recordings are written: one numbered directory for each guest.
    pub dir: PathBuf,
    /// How long the guest may stay silent in each phase.
    pub timeouts: Timeouts,
    /// Kernel options added to every boot.
    pub append: Vec<String>,
    /// The verdict after which nothing more is run. If omitted, the plan is run to its end.
    pub stop_at: Option<StopAt>,
    /// The maximum number of guests.
    pub guests: Option<usize>,
    /// Another program instead of QEMU, for tests.
    pub qemu: Option<String>,
    /// The kernel command line that a pack recorded, instead of that of this program.
    pub command_line: Option<String>,
    /// Where each guest waits for gdb.
    pub gdb: Option<PathBuf>,
}

/// How one part of a plan is run.
#[derive(Default)]
struct Part {
    /// The verdict after which the next case runs in a new guest.
    stop_at: Option<StopAt>,
    /// The word on the kernel's command line that tells the guest which violated foundations not to use.
    avoid: Option<String>,
    /// Whether its cases judge foundations: those that rely on a violated one are then left out.
    foundations: bool,
}

/// After this many guests in a row in which no case begins, the rest of the plan is lost. More than one, so that a single
/// failure of the host does not end a run.
const SILENT_GUESTS: usize = 2;

impl<'a> Session<'a> {
    /// A session that runs its plans to the end.
    pub fn new(
        image: &'a KernelImage,
        program: &'a GuestBinary,
        context: &'a JudgeContext,
        accel: Accel,
        dir: &Path,
    ) -> Self {
        Session {
            image,
            program,
            context,
            accel,
            dir: dir.to_path_buf(),
            timeouts: Timeouts::default(),
            append: Vec::new(),
            stop_at: None,
            guests: None,
            qemu: None,
            command_line: None,
            gdb: None,
        }
    }

    /// Runs a plan and judges it.
    ///
    /// # Errors
    /// As [`Session::record`] and [`judge_all`].
    pub fn run(&self, plan: &[CaseKey], on_record: impl FnMut(&Record)) -> Result<JudgedRun> {
        judge_all(plan, &self.record(plan, on_record)?, self.context)
    }

    /// Boots guests until every planned case was run or lost. `on_record` gets every record as it arrives.
    ///
    /// Cases that judge foundations come first. After a violation the next of them starts in a new guest. Cases that
    /// rely on a violated foundation, or judge it once more, are not run.
    ///
    /// # Errors
    /// The errors of [`qemu::run_until`] and of packing an initramfs. A lost guest is not an error.
    pub fn record(&self, plan: &[CaseKey], mut on_record: impl FnMut(&Record)) -> Result<Vec<GuestRun>> {
        let mut guests = Vec::new();
        let (first, mut rest) = foundations::split(plan);
        if first.is_empty() || rest.is_empty() {
            self.record_part(plan, &Part::default(), &mut guests, &mut on_record)?;
            return Ok(guests);
        }
        let stop_at = Some(self.stop_at.unwrap_or(StopAt::Violation));
        let apart = Part { stop_at, foundations: true, ..Part::default() };
        if self.record_part(&first, &apart, &mut guests, &mut on_record)? {
            let violated = self.violated(&first, &guests)?;
            rest.retain(|key| violated.blocks(key).is_none());
            self.record_part(&rest, &Part { avoid: violated.avoid(), ..Part::default() }, &mut guests, &mut on_record)?;
        }
        Ok(guests)
    }

    /// Runs a part of the plan, and adds its guests. Returns whether the rest of the plan may be run.
    fn record_part(
        &self,
        plan: &[CaseKey],
        part: &Part,
        guests: &mut Vec<GuestRun>,
        on_record: &mut impl FnMut(&Record),
    ) -> Result<bool> {
        let mut left: Vec<CaseKey> = plan.to_vec();
        let (mut futile, mut silent) = (0, 0);
        while !left.is_empty() {
            let dir = self.dir.join(format!("guest-{}", guests.len() + 1));
            let recording = self.boot(&dir, &left, part, &mut *on_record)?;
            let mut run = GuestRun::new(recording, std::mem::take(&mut left), None);
            let begun = run.begun();
            left = run.planned.iter().filter(|key| !begun.contains(key)).cloned().collect();
            futile = if begun.len() <= 2 { futile + 1 } else { 0 };
            silent = if begun.is_empty() { silent + 1 } else { 0 };
            let enough = self.guests.is_some_and(|most| guests.len() + 1 >= most);
            run.halt = match &run.recording.ending {
                GuestEnd::Interrupted => Some(StopReason::Interrupted),
                GuestEnd::Enough if self.stop_at.is_some() => Some(StopReason::FailFast),
                _ if left.is_empty() => None,
                _ if self.stop_at.is_some_and(|stop| finds_fault(self.context, stop, &run, &begun)) => {
                    Some(StopReason::FailFast)
                }
                _ if silent < SILENT_GUESTS && futile == FUTILE_GUESTS => Some(StopReason::Futile),
                _ if enough => Some(StopReason::Enough),
                _ => None,
            };
            if let Some(key) = run.handed_on() {
                left.insert(0, key.clone());
            }
            run.save(&dir)?;
            let over = run.halt.is_some() || silent == SILENT_GUESTS;
            guests.push(run);
            if over {
                return Ok(false);
            }
            if part.foundations && !left.is_empty() {
                let violated = self.violated(plan, guests)?;
                left.retain(|key| violated.blocks(key).is_none());
            }
        }
        Ok(true)
    }

    /// The foundations that these cases found violated.
    fn violated(&self, cases: &[CaseKey], guests: &[GuestRun]) -> Result<Violated> {
        Ok(Violated::of(&judge_all(cases, guests, self.context)?.verdicts))
    }

    fn boot(&self, dir: &Path, plan: &[CaseKey], part: &Part, mut on_record: impl FnMut(&Record)) -> Result<Recording> {
        std::fs::create_dir_all(dir).map_err(|error| io(&error, "creating", dir))?;
        let initramfs = Initramfs::pack(&dir.join("initramfs.cpio"), self.program, plan)?;
        let mut boot = BootPlan::new(&self.image.vmlinux, &initramfs, dir, self.accel);
        boot.append = self.append.iter().cloned().chain(part.avoid.clone()).collect();
        boot.recorded.clone_from(&self.command_line);
        boot.gdb.clone_from(&self.gdb);
        if let Some(qemu) = &self.qemu {
            boot.qemu.clone_from(qemu);
        }
        let mut observer = self.stop_at.or(part.stop_at).map(|stop| Observer::new(self.context, stop, dir));
        qemu::run_until(&boot, self.timeouts, |record| {
            on_record(record);
            match observer.as_mut().is_some_and(|observer| observer.ends_with(record)) {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        })
    }
}

/// Reads the recordings of a session from its directory, to judge them again.
///
/// # Errors
/// As [`GuestRun::load`].
pub fn load(dir: &Path) -> Result<Vec<GuestRun>> {
    let dirs = (1..).map(|number| dir.join(format!("guest-{number}")));
    dirs.take_while(|dir| dir.exists()).map(|dir| GuestRun::load(&dir)).collect()
}
