//! How the guests' processors are run, and why so.
//!
//! A /dev/kvm that opens proves nothing: there are hosts where it creates virtual machines and then QEMU aborts, or the
//! guest never says a byte. So KVM is used when a guest was seen to run under it ([`probe`]); the answer is remembered
//! until the host boots again ([`probe_cache`]); and it is withdrawn when a guest starts under KVM and does not come up, but
//! does so under emulation.

pub mod answer;
pub mod probe;
pub mod probe_cache;

use std::path::Path;

use crate::error::Result;
pub use crate::guest::boot_plan::Accel;
use crate::guest::recording::GuestEnd;
use crate::host::machine::Machine;
use crate::host::progress::Progress;
use crate::host::store::Store;
use crate::judge::complaint;
use crate::judge::guest_run::GuestRun;
use crate::session::guests::Session;
use answer::Answer;
use cases::protocol::{CaseKey, Record};
use probe::Probe;
use probe_cache::ProbeCache;

/// What the person who runs the tool wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccelRequest {
    /// KVM where it is proved to work.
    Auto,
    /// This one, whatever is known about it.
    Only(Accel),
}

/// What is known about KVM on this host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KvmAnswer {
    /// What the stages found.
    pub answer: Answer,
    /// Whether an earlier run found it.
    pub remembered: bool,
}

/// Gives the remembered answer, or asks. The answer is remembered from now on: for the kernel that was tried only, where
/// that one may be to blame.
///
/// # Errors
/// What [`Probe::ask`] and [`ProbeCache`] can meet; [`crate::error::ErrorKind::Interrupt`] while another run asks. Nothing is
/// remembered then.
pub fn know(probe: &Probe<'_>, store: &Store) -> Result<KvmAnswer> {
    // Looked at every time: it costs nothing, and whoever was just told to join a group has not rebooted since.
    let device = probe.device();
    if !device.works {
        return Ok(KvmAnswer { answer: Answer { findings: vec![device] }, remembered: false });
    }
    let memory = ProbeCache::open(store, probe.machine)?;
    // Two probes at a time would only slow each other.
    let _lock = store.lock("accel")?;
    if let Some(answer) = memory.recall(probe.kernel) {
        return Ok(KvmAnswer { answer, remembered: true });
    }
    let task = store.progress().task("trying KVM", None);
    let answer = probe.ask()?;
    task.done(answer.sentence());
    if !answer.ended_early() {
        memory.remember(&answer, probe.kernel.filter(|_| answer.wants_a_witness()))?;
    }
    Ok(KvmAnswer { answer, remembered: false })
}

/// Forgets what is known, so that it is asked anew.
///
/// # Errors
/// [`crate::error::ErrorKind::Host`] when the cache cannot be written.
pub fn forget(machine: &Machine, store: &Store) -> Result<()> {
    ProbeCache::open(store, machine)?.forget()
}

/// What runs the guests of a session, and what is left to find out about it.
pub struct Acceleration {
    accel: Accel,
    text: String,
    /// The answer behind it, where a probe decided.
    known: Option<KvmAnswer>,
    memory: ProbeCache,
    progress: Progress,
}

impl Acceleration {
    /// Decides what the wish comes to on this host.
    ///
    /// # Errors
    /// As [`know`].
    pub fn decide(wish: AccelRequest, probe: &Probe<'_>, store: &Store) -> Result<Self> {
        let memory = ProbeCache::open(store, probe.machine)?;
        let (accel, text, known) = match wish {
            AccelRequest::Only(Accel::Tcg) => (Accel::Tcg, Accel::Tcg.name().into(), None),
            AccelRequest::Only(Accel::Kvm) => {
                let found =
                    memory.recall(probe.kernel).map(|answer| format!(", when it was tried: {}", answer.sentence()));
                (Accel::Kvm, format!("kvm: asked for{}", found.unwrap_or_default()), None)
            }
            AccelRequest::Auto => {
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
            Session { accel, dir: dir.to_path_buf(), ..session.clone() }.record(plan, on_record)
        };
        self.record_by(&session.dir, plan, run, on_record)
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
            Some(KvmAnswer { answer, .. }) if answer.wants_a_witness() && self.memory.recall(None).is_none() => {
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
    recording.ending != GuestEnd::Interrupted
        && guest.transcript.kernel.is_none()
        && complaint::scan(&recording.console).is_empty()
}

#[cfg(test)]
mod tests;
