//! Runs a plan to its end, in as many guests as it takes: after a loss or a complaint the next case starts in a fresh
//! one, and every planned case ends with exactly one verdict.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use cases::protocol::{CaseKey, Record};

use crate::error::{Result, io};
use crate::guest::boot_plan::{Accel, BootPlan};
use crate::guest::initramfs::{GuestBinary, Initramfs};
use crate::guest::qemu::{self, Patience};
use crate::guest::recording::{Ending, Recording};
use crate::judge::guest_run::{FUTILE_GUESTS, GuestRun, Halt};
use crate::judge::transcript::Transcript;
use crate::session::fail_fast::FailFast;

/// What a session needs to know.
#[derive(Clone, Debug)]
pub struct Session<'a> {
    /// The kernel.
    pub kernel: &'a Path,
    /// The program.
    pub guest: &'a GuestBinary,
    /// How processors are run.
    pub accel: Accel,
    /// How long silence may last.
    pub patience: Patience,
    /// Where recordings go: one numbered directory a guest.
    pub dir: &'a Path,
    /// Kernel options added to every boot.
    pub append: Vec<String>,
    /// What it may do beyond.
    pub options: Options<'a>,
}

/// What a session may do beyond running its plan to the end. [`crate::session::guests`] runs it.
#[derive(Clone, Debug, Default)]
pub struct Options<'a> {
    /// Stop at the first verdict that is not as expected, or as `stop` says.
    pub fail_fast: Option<FailFast<'a>>,
    /// Give up after so many guests.
    pub guests: Option<usize>,
    /// Another emulator; tests put a fake here.
    pub qemu: Option<String>,
    /// The kernel command line that a pack recorded, instead of that of this program.
    pub command_line: Option<String>,
    /// Where each guest waits for gdb.
    pub gdb: Option<PathBuf>,
}

/// So many guests in a row in which nothing begins, and what is left is lost. A host that stumbles once does not cost a
/// whole run; a kernel that does not boot is not booted for ever.
const SILENT_GUESTS: usize = 2;

impl Session<'_> {
    /// Boots guests until every planned case has had its chance. `on_record` sees every record as it arrives.
    ///
    /// # Errors
    /// What [`guest::qemu`] and packing an initramfs can meet. Losses of guests are no errors.
    pub fn record(&self, plan: &[CaseKey], mut on_record: impl FnMut(&Record)) -> Result<Vec<GuestRun>> {
        let mut guests = Vec::new();
        let mut left: Vec<CaseKey> = plan.to_vec();
        let (mut futile, mut silent) = (0, 0);
        while !left.is_empty() {
            let dir = self.dir.join(format!("guest-{}", guests.len() + 1));
            let recording = self.boot(&dir, &left, &mut on_record)?;
            let mut run = GuestRun { recording, planned: std::mem::take(&mut left), halt: None };
            let begun = run.begun();
            left = run.planned.iter().filter(|key| !begun.contains(key)).cloned().collect();
            futile = if begun.len() <= 2 { futile + 1 } else { 0 };
            silent = if begun.is_empty() { silent + 1 } else { 0 };
            let enough = self.options.guests.is_some_and(|most| guests.len() + 1 >= most);
            run.halt = match &run.recording.ending {
                Ending::Interrupted => Some(Halt::Interrupted),
                Ending::Enough => Some(Halt::FailFast),
                _ if left.is_empty() => None,
                _ if self.options.fail_fast.is_some_and(|early| early.finds_fault(&run, &begun)) => {
                    Some(Halt::FailFast)
                }
                _ if silent < SILENT_GUESTS && futile == FUTILE_GUESTS => Some(Halt::Futile),
                _ if enough => Some(Halt::Enough),
                _ => None,
            };
            run.save(&dir)?;
            let over = run.halt.is_some() || silent == SILENT_GUESTS;
            guests.push(run);
            if over {
                break;
            }
        }
        Ok(guests)
    }

    fn boot(&self, dir: &Path, plan: &[CaseKey], mut on_record: impl FnMut(&Record)) -> Result<Recording> {
        std::fs::create_dir_all(dir).map_err(|error| io(&error, "creating", dir))?;
        let initramfs = Initramfs::pack(&dir.join("initramfs.cpio"), self.guest, plan)?;
        let mut boot = BootPlan::new(self.kernel, &initramfs, dir, self.accel);
        boot.append.clone_from(&self.append);
        boot.recorded.clone_from(&self.options.command_line);
        boot.gdb.clone_from(&self.options.gdb);
        if let Some(qemu) = &self.options.qemu {
            boot.qemu.clone_from(qemu);
        }
        let mut heard = Transcript::default();
        qemu::run_until(&boot, self.patience, |record| {
            on_record(record);
            let Some(early) = self.options.fail_fast else { return ControlFlow::Continue(()) };
            heard.take(record.clone());
            // A case that runs is let run to its end: it gets a whole verdict.
            match record {
                Record::End { .. } if early.ends_with(&heard, dir) => ControlFlow::Break(()),
                _ => ControlFlow::Continue(()),
            }
        })
    }
}

/// Reads back what a session left in its directory, guest by guest, to judge it again.
///
/// # Errors
/// As [`GuestRun::load`].
pub fn load(dir: &Path) -> Result<Vec<GuestRun>> {
    let dirs = (1..).map(|number| dir.join(format!("guest-{number}")));
    dirs.take_while(|dir| dir.exists()).map(|dir| GuestRun::load(&dir)).collect()
}
