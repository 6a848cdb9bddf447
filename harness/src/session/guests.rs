//! Runs a plan to its end, in as many guests as it takes. After a lost guest or a complaint the next case starts in a new
//! guest. Every planned case gets exactly one verdict.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use cases::protocol::{CaseKey, Record};

use crate::error::{Result, io};
use crate::guest::boot_plan::{Accel, BootPlan, devices};
use crate::guest::initramfs::{GuestBinary, Initramfs};
use crate::guest::qemu::{self, Timeouts};
use crate::guest::recording::{GuestEnd, Recording};
use crate::judge::context::JudgeContext;
use crate::judge::foundations::{derives, judges_one, split};
use crate::judge::guest_run::{FUTILE_GUESTS, GuestRun, StopReason};
use crate::judge::judged_run::{JudgedRun, judge_all};
use crate::judge::repeated;
use crate::kbuild::image::{KernelImage, policy};
use crate::session::fail_fast::{Observer, StopAt, finds_fault};
use crate::session::guest_directories::{directories, directory};
use crate::session::parallel::run_rows;
use crate::session::shares::{CaseTimes, GuestShare, divide};
use crate::session::started::Started;

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
    /// How many guests may run at the same time. Only one does if the session can end before its plan does.
    pub jobs: usize,
    /// How long cases took before, so that guests that run at the same time get equal shares.
    pub times: CaseTimes,
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
#[derive(Clone, Debug, Default)]
struct Part {
    /// The word on the kernel's command line that tells the guest which violated foundations not to use.
    avoid: Option<String>,
    /// The cases that judge foundations. A violation ends their guest, and everything that runs beside it.
    foundations: Vec<CaseKey>,
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
            jobs: 1,
            times: CaseTimes::new(),
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

    /// Boots guests until every planned case was run or lost. `on_record` gets every record, from one guest as it arrives, from
    /// several when a case is over.
    ///
    /// Cases that judge foundations come first. Most kernels violate none, so other cases do not wait for them. After a
    /// violation, what ran beside them is thrown away and the foundations that are left are judged. Cases that rely on a
    /// violated foundation, or judge it once more, are not run.
    ///
    /// # Errors
    /// The errors of [`qemu::run_until`] and of packing an initramfs. A lost guest is not an error.
    pub fn record(&self, plan: &[CaseKey], mut on_record: impl FnMut(&Record)) -> Result<Vec<GuestRun>> {
        let started = Started::default();
        let (mut first, mut rest) = split(plan);
        if first.is_empty() || rest.is_empty() {
            self.record_rows(plan, &Part::default(), &started, &mut on_record)?;
            return Ok(started.finish());
        }
        let all: Vec<CaseKey> = first.iter().chain(&rest).cloned().collect();
        let mut part = Part { avoid: None, foundations: first.clone() };
        self.record_rows(&all, &part, &started, &mut on_record)?;
        if !started.foundation_violated() {
            return Ok(started.finish());
        }
        let begun = started.keep_foundations(&self.dir)?;
        let violated = started.violated(&first, self.context)?;
        first.retain(|key| !begun.contains(key) && violated.blocks(key).is_none());
        self.record_share(&GuestShare::new(first), &part, &started, &mut on_record)?;
        let violated = started.violated(&part.foundations, self.context)?;
        rest.retain(|key| !begun.contains(key) && violated.blocks(key).is_none());
        // What is wrong with aliases only leaves the others a sound kernel.
        let alike = violated.avoid(false) == violated.avoid(true);
        let (with, without): (Vec<_>, Vec<_>) = rest.into_iter().partition(|key| alike || derives(key));
        for (plan, derives) in [(without, false), (with, true)] {
            part = Part { avoid: violated.avoid(derives), foundations: Vec::new() };
            self.record_rows(&plan, &part, &started, &mut on_record)?;
        }
        Ok(started.finish())
    }

    /// Runs a part of the plan in as many guests at the same time as it may.
    fn record_rows(
        &self,
        plan: &[CaseKey],
        part: &Part,
        started: &Started,
        on_record: &mut dyn FnMut(&Record),
    ) -> Result<()> {
        let one = self.stop_at.is_some() || self.guests.is_some() || self.gdb.is_some();
        let rows = divide(plan, &self.times, if one { 1 } else { self.jobs });
        let run = |row: &Vec<GuestShare>, on_record: &mut dyn FnMut(&Record)| {
            row.iter().try_for_each(|share| self.record_share(share, part, started, &mut *on_record))
        };
        let settled = || part.foundations.is_empty() || started.foundations_hold();
        run_rows(&rows, run, settled, on_record)
    }

    /// Runs a share in one guest after the other, until every case was run or lost, or nothing more may be started.
    fn record_share(
        &self,
        share: &GuestShare,
        part: &Part,
        started: &Started,
        on_record: &mut dyn FnMut(&Record),
    ) -> Result<()> {
        let mut left = share.plan.clone();
        let judges = left.iter().any(|key| part.foundations.contains(key));
        let only_judges = left.iter().all(|key| part.foundations.contains(key));
        let (mut futile, mut silent) = (0, 0);
        while !left.is_empty() && started.may_start() {
            let number = started.next_number();
            let dir = self.dir.join(directory(number));
            let boot = GuestBoot { share, judges, part };
            let recording =
                self.boot(&dir, &left, &boot, started, &mut *on_record).inspect_err(|_| started.start_no_more())?;
            let mut run = GuestRun::new(recording, std::mem::take(&mut left), None);
            let begun = run.begun();
            left = run.planned.iter().filter(|key| !begun.contains(key)).cloned().collect();
            futile = if begun.len() <= 2 { futile + 1 } else { 0 };
            silent = if begun.is_empty() { silent + 1 } else { 0 };
            let enough = self.guests.is_some_and(|most| number >= most);
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
            if run.halt.is_some() || silent == SILENT_GUESTS {
                started.start_no_more();
            }
            started.ended(number, run, self.context);
            if judges {
                let violated = started.violated(&part.foundations, self.context)?;
                if !only_judges && violated.is_any() {
                    started.violates_a_foundation();
                    return Ok(());
                }
                left.retain(|key| violated.blocks(key).is_none());
            }
        }
        if judges {
            started.foundations_are_judged();
        }
        Ok(())
    }

    fn boot(
        &self,
        dir: &Path,
        plan: &[CaseKey],
        GuestBoot { share, judges, part }: &GuestBoot<'_>,
        started: &Started,
        on_record: &mut dyn FnMut(&Record),
    ) -> Result<Recording> {
        std::fs::create_dir_all(dir).map_err(|error| io(&error, "creating", dir))?;
        let path = dir.join("initramfs.cpio");
        let initramfs = match policy::compiled(&self.image.dir) {
            None => Initramfs::pack(&path, self.program, plan)?,
            Some(policy) => Initramfs::pack_confined(&path, self.program, plan, &policy)?,
        };
        let mut boot = BootPlan::new(self.image.facts.arch(), &self.image.vmlinux, &initramfs, dir, self.accel);
        boot.processors = share.processors;
        boot.devices = devices(&self.context.met);
        let words = [share.option(), part.avoid.clone()].into_iter().flatten();
        boot.append = self.append.iter().cloned().chain(words).chain(repeated::words(&started.known())).collect();
        boot.recorded.clone_from(&self.command_line);
        boot.gdb.clone_from(&self.gdb);
        if let Some(qemu) = &self.qemu {
            boot.qemu.clone_from(qemu);
        }
        let mut observer = match self.stop_at {
            Some(stop) => Some(Observer::new(self.context, stop, dir)),
            None => judges.then(|| Observer::of_foundations(self.context, dir)),
        };
        let in_vain = || !part.foundations.is_empty() && started.foundation_violated();
        qemu::run_until(&boot, self.timeouts, in_vain, |record| {
            on_record(record);
            if *judges && begins_another(record) {
                started.foundations_are_judged();
            }
            match observer.as_mut().is_some_and(|observer| observer.ends_with(record)) {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        })
    }
}

/// How a guest is booted.
struct GuestBoot<'a> {
    /// The share whose cases it runs.
    share: &'a GuestShare,
    /// Whether some of its cases judge foundations.
    judges: bool,
    /// The part that it runs.
    part: &'a Part,
}

/// Whether this record begins a case that judges no foundation.
fn begins_another(record: &Record) -> bool {
    matches!(record, Record::Begin { case, .. } if !judges_one(case))
}

/// Reads the recordings of a session from its directory, to judge them again.
///
/// # Errors
/// As [`GuestRun::load`].
pub fn load(dir: &Path) -> Result<Vec<GuestRun>> {
    directories(dir).iter().map(|dir| GuestRun::load(dir)).collect()
}
