//! One guest after the other, until every planned case has begun or there is a reason to stop.

use std::ops::ControlFlow;
use std::path::Path;

use cases::protocol::{CaseKey, Record};
use cases::suite;
use serde::{Deserialize, Serialize};

use crate::boot_plan::BootPlan;
use crate::error::{Blame, Context, Result, io};
use crate::guest;
use crate::initramfs::Initramfs;
use crate::recording::{Ending, Recording};
use crate::session::{Options, Session, Stop, Yardstick, judge_all, of_case};
use crate::transcript::Transcript;
use crate::verdict::{Evidence, judge};

/// What one guest contributed.
#[derive(Debug)]
pub struct GuestRun {
    /// The raw material.
    pub recording: Recording,
    /// What it was asked to run.
    pub planned: Vec<CaseKey>,
    /// Why no other guest ran what this one left, where that was decided.
    pub halt: Option<Halt>,
}

/// Why a plan was not run to its end although it could have been.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Halt {
    /// Ctrl-C.
    Interrupted,
    /// A verdict was not as expected, and the first such was to be the last.
    FailFast,
    /// Guest after guest got nowhere.
    Futile,
    /// There were as many guests as it was to have.
    Enough,
}

impl Halt {
    /// As a reason in a report.
    pub fn reason(self) -> String {
        match self {
            Halt::Interrupted => "interrupted".into(),
            Halt::Enough => "the guests that it was to have were used up".into(),
            Halt::FailFast => "stopped at the first verdict that was not as expected".into(),
            Halt::Futile => {
                format!("given up: {FUTILE_GUESTS} guests in a row got through no more than two cases each")
            }
        }
    }
}

/// After so many guests in a row that got no further than a second case, a session is given up. Where every case breaks
/// the kernel, as when the first export already leaves a dangling list, the others would only say so again, at a boot
/// each.
const FUTILE_GUESTS: usize = 12;

/// So many guests in a row in which nothing begins, and what is left is lost. A host that stumbles once does not cost a
/// whole run; a kernel that does not boot is not booted for ever.
const SILENT_GUESTS: usize = 2;

/// Name of the file that says what a guest was asked to run.
const PLANNED: &str = "planned.json";

#[derive(Serialize, Deserialize)]
struct PlannedFile {
    planned: Vec<CaseKey>,
    halt: Option<Halt>,
}

impl GuestRun {
    fn save(&self, dir: &Path) -> Result<()> {
        let file = PlannedFile { planned: self.planned.clone(), halt: self.halt };
        let text = serde_json::to_string_pretty(&file).context(Blame::Internal, || "encoding a plan".into())?;
        std::fs::write(dir.join(PLANNED), text + "\n").map_err(|error| io(&error, "writing", &dir.join(PLANNED)))
    }

    /// Reads back what a guest left in `dir`.
    ///
    /// # Errors
    /// [`Blame::Host`] when a file is missing, [`Blame::Internal`] when one cannot be understood.
    pub fn load(dir: &Path) -> Result<GuestRun> {
        let path = dir.join(PLANNED);
        let bytes = std::fs::read(&path).map_err(|error| io(&error, "reading", &path))?;
        let PlannedFile { planned, halt } =
            serde_json::from_slice(&bytes).context(Blame::Internal, || format!("{} is no plan", path.display()))?;
        Ok(GuestRun { recording: Recording::load(dir)?, planned, halt })
    }

    /// The cases that began, in order.
    pub fn begun(&self) -> Vec<CaseKey> {
        Transcript::parse(&self.recording.results).cases.into_iter().map(|case| case.key).collect()
    }
}

impl Session<'_> {
    /// Boots guests until every planned case has had its chance. `on_record` sees every record as it arrives.
    ///
    /// # Errors
    /// What [`guest::run`] and packing an initramfs can meet. Losses of guests are no errors.
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
            let Options { fail_fast, stop, .. } = self.options;
            let enough = self.options.guests.is_some_and(|most| guests.len() + 1 >= most);
            run.halt = match &run.recording.ending {
                Ending::Interrupted => Some(Halt::Interrupted),
                Ending::Enough => Some(Halt::FailFast),
                _ if left.is_empty() => None,
                _ if fail_fast.is_some_and(|yardstick| yardstick.finds_fault(&run, &begun, stop)) => {
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
        guest::run_until(&boot, self.patience, |record| {
            on_record(record);
            let Some(yardstick) = self.options.fail_fast else { return ControlFlow::Continue(()) };
            heard.take(record.clone());
            // A case that runs is let run to its end: it gets a whole verdict.
            match record {
                Record::End { .. } if yardstick.ends_with(&heard, dir, self.options.stop) => ControlFlow::Break(()),
                _ => ControlFlow::Continue(()),
            }
        })
    }
}

impl Yardstick<'_> {
    /// Judges the case that has just ended in a guest that still runs.
    fn ends_with(self, heard: &Transcript, dir: &Path, stop: Stop) -> bool {
        let Some(run) = heard.cases.last() else { return false };
        let Some((case, _)) = suite::find(&run.key) else { return true };
        // What cannot be read now is judged when the guest is gone.
        let console = std::fs::read(Recording::console_path(dir)).unwrap_or_default();
        let evidence = Evidence {
            case,
            key: run.key.clone(),
            run: Some(run),
            complaints: of_case(&self.complaints(&console, heard), &run.key),
            loss: "",
            halted: None,
            processors: &[],
            tasks: Vec::new(),
        };
        stop.at(&judge(evidence, self.met, self.expectations))
    }

    /// Whether a guest that is gone ran a case with a verdict that is to be the last.
    fn finds_fault(self, guest: &GuestRun, begun: &[CaseKey], stop: Stop) -> bool {
        let judged = judge_all(begun, std::slice::from_ref(guest), self);
        judged.map_or(true, |judged| judged.verdicts.iter().any(|verdict| stop.at(verdict)))
    }
}
