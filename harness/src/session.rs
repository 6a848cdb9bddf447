//! Runs a plan to its end, in as many guests as it takes: after a loss or a complaint the next case starts in a fresh
//! one, and every planned case ends with exactly one verdict.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use cases::need::Need;
use cases::protocol::{CaseKey, Record};
use cases::suite;

use crate::accel::Accel;
use crate::boot_plan::BootPlan;
use crate::error::{Blame, Error, Result, io};
use crate::expectation::Expectations;
use crate::guest::{self, Patience};
use crate::initramfs::{GuestBinary, Initramfs};
use crate::oops;
use crate::recording::{Ending, Recording};
use crate::transcript::Transcript;
use crate::verdict::{CaseVerdict, Evidence, judge};

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
}

/// What one guest contributed.
#[derive(Debug)]
pub struct GuestRun {
    /// The raw material.
    pub recording: Recording,
    /// What it was asked to run.
    pub planned: Vec<CaseKey>,
}

/// After so many guests in a row that got no further than a second case, a session is given up. Where every case breaks
/// the kernel, as when the first export already leaves a dangling list, the others would only say so again, at a boot
/// each.
const FUTILE_GUESTS: usize = 12;

impl Session<'_> {
    /// Boots guests until every planned case has had its chance.
    ///
    /// # Errors
    /// What [`guest::run`] and packing an initramfs can meet. Losses of guests are no errors.
    pub fn record(&self, plan: &[CaseKey], mut on_record: impl FnMut(&Record)) -> Result<Vec<GuestRun>> {
        let mut guests = Vec::new();
        let mut left: Vec<CaseKey> = plan.to_vec();
        let mut futile = 0;
        while !left.is_empty() {
            let dir = self.dir.join(format!("guest-{}", guests.len() + 1));
            std::fs::create_dir_all(&dir).map_err(|error| io(&error, "creating", &dir))?;
            let initramfs = Initramfs::pack(&dir.join("initramfs.cpio"), self.guest, &left)?;
            let mut boot = BootPlan::new(self.kernel, &initramfs, &dir, self.accel);
            boot.append.clone_from(&self.append);
            let recording = guest::run(&boot, self.patience, &mut on_record)?;
            let transcript = Transcript::parse(&recording.results);
            let interrupted = recording.ending == Ending::Interrupted;
            let begun: Vec<CaseKey> = transcript.cases.iter().map(|case| case.key.clone()).collect();
            let planned = std::mem::take(&mut left);
            left = planned.iter().filter(|key| !begun.contains(key)).cloned().collect();
            // A guest in which nothing begins would be booted for ever; what is left is lost.
            let stuck = begun.is_empty();
            futile = if begun.len() <= 2 { futile + 1 } else { 0 };
            guests.push(GuestRun { recording, planned });
            if interrupted || stuck || futile == FUTILE_GUESTS {
                break;
            }
        }
        Ok(guests)
    }
}

/// What all guests of a session said together, judged.
#[derive(Debug)]
pub struct Judged {
    /// One verdict for every planned case, in planned order.
    pub verdicts: Vec<CaseVerdict>,
    /// What did not fit the protocol, and complaints that belong to no case.
    pub oddities: Vec<String>,
    /// `uname -r` of the guest.
    pub kernel: Option<String>,
    /// Wall time of each guest.
    pub guests: Vec<Duration>,
    /// Whether the session was cut short by the person at the keyboard.
    pub interrupted: bool,
}

/// Judges recordings. Pure but for reading snapshots, so a run can be judged again from disk.
///
/// # Errors
/// [`Blame::Internal`] when a planned key is in no catalogue.
pub fn judge_all(
    plan: &[CaseKey],
    guests: &[GuestRun],
    met: &BTreeSet<Need>,
    expectations: &Expectations,
) -> Result<Judged> {
    let mut judged = Judged {
        verdicts: Vec::new(),
        oddities: Vec::new(),
        kernel: None,
        guests: guests.iter().map(|guest| guest.recording.took).collect(),
        interrupted: guests.iter().any(|guest| guest.recording.ending == Ending::Interrupted),
    };
    let mut heard = Vec::new();
    for (index, guest) in guests.iter().enumerate() {
        let transcript = Transcript::parse(&guest.recording.results);
        let complaints = oops::scan(&guest.recording.console);
        let loss = loss(&guest.recording, &transcript, &complaints);
        judged.kernel = judged.kernel.or_else(|| transcript.kernel.clone());
        let torn = transcript.unfinished().is_some() || transcript.plan.is_none();
        for oddity in &transcript.oddities {
            // The last line of a guest that died is torn as a rule; the loss says so already.
            if !(torn && oddity.starts_with("the channel ends inside")) {
                judged.oddities.push(format!("guest {}: {oddity}", index + 1));
            }
        }
        if transcript.plan.as_ref().is_some_and(|plan| *plan != guest.planned) {
            judged.oddities.push(format!("guest {}: it announced another plan than it was given", index + 1));
        }
        for complaint in complaints.iter().filter(|complaint| complaint.case.is_none()) {
            judged.oddities.push(format!("guest {}: before any case: {}", index + 1, complaint.headline));
        }
        if transcript.count.is_none() && transcript.unfinished().is_none() {
            judged.oddities.push(format!("guest {}: no closing count: {loss}", index + 1));
        }
        heard.push((transcript, complaints, loss, &guest.recording.processors));
    }
    for key in plan {
        let (case, _) =
            suite::find(key).ok_or_else(|| Error::new(Blame::Internal, format!("{key} was planned but is no case")))?;
        let found = heard.iter().find_map(|(transcript, complaints, loss, processors)| {
            let run = transcript.cases.iter().find(|run| run.key == *key)?;
            // A guest is stuck in the case it ran last.
            let last = transcript.cases.last().is_some_and(|case| case.key == *key);
            Some((run, complaints, loss, if last { processors.as_slice() } else { &[] }))
        });
        let evidence = match found {
            Some((run, complaints, loss, processors)) => Evidence {
                case,
                key: key.clone(),
                run: Some(run),
                complaints: complaints
                    .iter()
                    .filter(|complaint| complaint.case.as_ref() == Some(key))
                    .cloned()
                    .collect(),
                loss,
                processors,
            },
            None => Evidence {
                case,
                key: key.clone(),
                run: None,
                complaints: Vec::new(),
                loss: heard.last().map_or("no guest was started", |(_, _, loss, _)| loss),
                processors: &[],
            },
        };
        judged.verdicts.push(judge(evidence, met, expectations));
    }
    Ok(judged)
}

/// What became of a guest, in one line.
fn loss(recording: &Recording, transcript: &Transcript, complaints: &[oops::Complaint]) -> String {
    if let Some(panic) = complaints.iter().find(|complaint| complaint.is_fatal()) {
        return format!("the kernel panicked: {}", panic.headline);
    }
    match &recording.ending {
        Ending::Left => match (&transcript.stop, &transcript.kernel) {
            (Some(reason), _) => format!("the runner gave the guest up: {reason}"),
            (None, Some(_)) => "the guest restarted without a word".into(),
            (None, None) if recording.console.is_empty() => "the guest restarted before its first byte".into(),
            (None, None) => "the guest restarted before init said hello".into(),
        },
        Ending::QemuDied { status, stderr } if stderr.is_empty() => format!("QEMU ended with {status}"),
        Ending::QemuDied { status, stderr } => format!("QEMU ended with {status}: {}", stderr.trim()),
        Ending::Stalled { phase, silent_ms } => {
            format!("the guest was silent for {:.1} s while {phase}", *silent_ms as f64 / 1000.0)
        }
        Ending::Interrupted => "interrupted".into(),
    }
}
