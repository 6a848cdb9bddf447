//! How the guests' processors are run, and why so.
//!
//! A /dev/kvm that opens proves nothing: there are hosts where it creates virtual machines and then QEMU aborts, or the
//! guest never says a byte. So KVM is used when a guest was seen to run under it ([`probe`]); the answer is remembered
//! until the host boots again ([`memory`]); and it is withdrawn when a guest starts under KVM and does not come up, but
//! does so under emulation.

pub mod answer;
pub mod memory;
pub mod probe;

use std::path::Path;

use cases::protocol::{CaseKey, Record};
use serde::{Deserialize, Serialize};

use crate::complaint;
use crate::error::Result;
use crate::machine::Machine;
use crate::progress::Progress;
use crate::recording::Ending;
use crate::session::{GuestRun, Session};
use crate::store::Store;
use crate::transcript::Transcript;
use answer::Answer;
use memory::Memory;
use probe::Probe;

/// How the guest's processors are run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Accel {
    /// QEMU translates every instruction. Works everywhere.
    Tcg,
    /// The host's processor runs them, through /dev/kvm.
    Kvm,
}

impl Accel {
    /// Name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Accel::Tcg => "tcg",
            Accel::Kvm => "kvm",
        }
    }
}

/// What the person who runs the tool wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// KVM where it is proved to work.
    Auto,
    /// This one, whatever is known about it.
    Only(Accel),
}

/// What is known about KVM on this host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// What the stages found.
    pub answer: Answer,
    /// Whether an earlier run found it.
    pub remembered: bool,
}

/// Gives the remembered answer, or asks. The answer is remembered from now on: for the kernel that was tried only, where
/// that one may be to blame.
///
/// # Errors
/// What [`Probe::ask`] and [`Memory`] can meet; [`crate::error::Blame::Interrupt`] while another run asks. Nothing is
/// remembered then.
pub fn know(probe: &Probe<'_>, store: &Store) -> Result<Known> {
    // Looked at every time: it costs nothing, and whoever was just told to join a group has not rebooted since.
    let device = probe.device();
    if !device.works {
        return Ok(Known { answer: Answer { findings: vec![device] }, remembered: false });
    }
    let memory = Memory::open(store, probe.machine)?;
    // Two probes at a time would only slow each other.
    let _lock = store.lock("accel")?;
    if let Some(answer) = memory.recall(probe.kernel) {
        return Ok(Known { answer, remembered: true });
    }
    let task = store.progress().task("trying KVM", None);
    let answer = probe.ask()?;
    task.done(answer.sentence());
    if !answer.ended_early() {
        memory.remember(&answer, probe.kernel.filter(|_| answer.wants_a_witness()))?;
    }
    Ok(Known { answer, remembered: false })
}

/// Forgets what is known, so that it is asked anew.
///
/// # Errors
/// [`crate::error::Blame::Host`] when the cache cannot be written.
pub fn forget(machine: &Machine, store: &Store) -> Result<()> {
    Memory::open(store, machine)?.forget()
}

/// What runs the guests of a session, and what is left to find out about it.
pub struct Acceleration {
    accel: Accel,
    text: String,
    /// The answer behind it, where a probe decided.
    known: Option<Known>,
    memory: Memory,
    progress: Progress,
}

impl Acceleration {
    /// Decides what the wish comes to on this host.
    ///
    /// # Errors
    /// As [`know`].
    pub fn decide(wish: Wish, probe: &Probe<'_>, store: &Store) -> Result<Self> {
        let memory = Memory::open(store, probe.machine)?;
        let (accel, text, known) = match wish {
            Wish::Only(Accel::Tcg) => (Accel::Tcg, Accel::Tcg.name().into(), None),
            Wish::Only(Accel::Kvm) => {
                let found =
                    memory.recall(probe.kernel).map(|answer| format!(", when it was tried: {}", answer.sentence()));
                (Accel::Kvm, format!("kvm: asked for{}", found.unwrap_or_default()), None)
            }
            Wish::Auto => {
                let known = know(probe, store)?;
                let accel = known.answer.accel();
                (accel, format!("{}: {}", accel.name(), known.answer.sentence()), Some(known))
            }
        };
        Ok(Acceleration { accel, text, known, memory, progress: store.progress().clone() })
    }

    /// What guests are run with.
    pub fn accel(&self) -> Accel {
        self.accel
    }

    /// `tcg: there is no /dev/kvm`.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// [`Session::record`] with what was decided. What the guests show about the decision itself is taken note of: see
    /// the description of this module.
    ///
    /// # Errors
    /// As [`Session::record`], and when an answer cannot be written down.
    pub fn record(
        &mut self,
        session: &Session<'_>,
        plan: &[CaseKey],
        on_record: impl FnMut(&Record),
    ) -> Result<Vec<GuestRun>> {
        let run = |accel, dir: &Path, plan: &[CaseKey], on_record: &mut dyn FnMut(&Record)| {
            Session { accel, dir, ..session.clone() }.record(plan, on_record)
        };
        self.record_by(session.dir, plan, run, on_record)
    }

    fn record_by(
        &mut self,
        dir: &Path,
        plan: &[CaseKey],
        run: impl Fn(Accel, &Path, &[CaseKey], &mut dyn FnMut(&Record)) -> Result<Vec<GuestRun>>,
        mut on_record: impl FnMut(&Record),
    ) -> Result<Vec<GuestRun>> {
        let mut go = |accel, dir: &Path, plan: &[CaseKey]| {
            let mut came_up = false;
            let guests = run(accel, dir, plan, &mut |record| {
                came_up |= matches!(record, Record::Hello { .. });
                on_record(record);
            });
            (guests, came_up)
        };
        let (guests, came_up) = go(self.accel, dir, plan);
        if came_up && self.accel == Accel::Tcg {
            self.confirm()?;
        }
        let mut guests = guests?;
        let proved = self.accel == Accel::Kvm && self.known.is_some();
        let silent = guests.iter().rev().take_while(|guest| proved && never_came_up(guest)).count();
        let lost = guests.split_off(guests.len() - silent);
        let Some(first) = lost.first() else { return Ok(guests) };
        self.progress.line("a guest under KVM did not come up; going on with emulation");
        let (rest, came_up) = go(Accel::Tcg, &dir.join("tcg"), &first.planned);
        if came_up {
            self.withdraw()?;
        } else {
            // The kernel does not come up either way, and the guests of both kinds are evidence of that.
            guests.extend(lost);
        }
        guests.extend(rest?);
        Ok(guests)
    }

    /// The kernel that was silent in the probe is not to blame: it came up under emulation.
    fn confirm(&self) -> Result<()> {
        match &self.known {
            Some(Known { answer, .. }) if answer.wants_a_witness() && self.memory.recall(None).is_none() => {
                self.memory.remember(answer, None)
            }
            _ => Ok(()),
        }
    }

    fn withdraw(&mut self) -> Result<()> {
        let Some(known) = &mut self.known else { return Ok(()) };
        known.answer.withdraw("a guest began to boot under KVM and did not come up, as it then did without");
        self.accel = Accel::Tcg;
        self.text = format!("tcg: {}", known.answer.sentence());
        self.memory.remember(&known.answer, None)
    }
}

/// Whether a guest went away before its first record, by nobody's wish and without a complaint of its kernel.
fn never_came_up(guest: &GuestRun) -> bool {
    let recording = &guest.recording;
    recording.ending != Ending::Interrupted
        && Transcript::parse(&recording.results).kernel.is_none()
        && complaint::scan(&recording.console).is_empty()
}

#[cfg(test)]
mod tests;
