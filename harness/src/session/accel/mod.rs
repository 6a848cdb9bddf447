//! Decides whether guests run under KVM or emulation.
//!
//! That /dev/kvm opens is not enough: on some hosts QEMU then aborts, or the guest prints nothing. So KVM is used only if a
//! guest has run under it ([`probe`]). The result is cached until the host reboots ([`probe_cache`]). It is withdrawn if a guest
//! does not boot under KVM but does under emulation.

pub mod probe;
pub mod probe_cache;
pub mod probe_result;

use std::path::Path;

use crate::error::Result;
pub use crate::guest::boot_plan::Accel;
use crate::guest::recording::GuestEnd;
use crate::host::arch::Arch;
use crate::host::machine::Machine;
use crate::host::progress::Progress;
use crate::host::store::Store;
use crate::judge::complaint;
use crate::judge::guest_run::GuestRun;
use crate::session::guests::Session;
use cases::protocol::{CaseKey, Record};
use probe::Probe;
use probe_cache::ProbeCache;
use probe_result::ProbeResult;

/// What the user asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccelRequest {
    /// KVM if it is known to work.
    Auto,
    /// Always this one.
    Only(Accel),
    /// Emulation, because guests of this architecture cannot run under KVM here.
    Emulated(&'static Arch),
}

/// Whether KVM works on this host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KvmAnswer {
    /// The result of the test.
    pub answer: ProbeResult,
    /// Whether it is from an earlier run.
    pub remembered: bool,
}

/// Returns the cached result, or tests KVM and caches the result. If the cause may be the kernel, the result is cached for that
/// kernel only.
///
/// # Errors
/// As [`Probe::ask`] and [`ProbeCache`]; [`crate::error::ErrorKind::Interrupt`] while another run tests KVM.
pub fn know(probe: &Probe<'_>, store: &Store) -> Result<KvmAnswer> {
    // Not cached: it is cheap, and the user may have joined the group without a reboot.
    let device = probe.device();
    if !device.works {
        return Ok(KvmAnswer { answer: ProbeResult { findings: vec![device] }, remembered: false });
    }
    let cache = ProbeCache::open(store, probe.machine)?;
    // Two concurrent probes would slow each other down.
    let _lock = store.lock("accel")?;
    if let Some(answer) = cache.recall(probe.kernel) {
        return Ok(KvmAnswer { answer, remembered: true });
    }
    let task = store.progress().task("testing KVM", None);
    let answer = probe.ask()?;
    task.done(answer.sentence());
    if !answer.ended_early() {
        cache.remember(&answer, probe.kernel.filter(|_| answer.may_be_the_kernels_fault()))?;
    }
    Ok(KvmAnswer { answer, remembered: false })
}

/// Removes the cached result, so that KVM is tested again.
///
/// # Errors
/// [`crate::error::ErrorKind::Host`] when the cache cannot be written.
pub fn forget(machine: &Machine, store: &Store) -> Result<()> {
    ProbeCache::open(store, machine)?.forget()
}

/// How the guests of a session are run.
pub struct Acceleration {
    accel: Accel,
    text: String,
    /// The result of the test, if it decided.
    known: Option<KvmAnswer>,
    cache: ProbeCache,
    progress: Progress,
}

impl Acceleration {
    /// Decides for a request on this host.
    ///
    /// # Errors
    /// As [`know`].
    pub fn decide(request: AccelRequest, probe: &Probe<'_>, store: &Store) -> Result<Self> {
        let cache = ProbeCache::open(store, probe.machine)?;
        let (accel, text, known) = match request {
            AccelRequest::Only(Accel::Tcg) => (Accel::Tcg, Accel::Tcg.name().into(), None),
            AccelRequest::Only(Accel::Kvm) => {
                let found =
                    cache.recall(probe.kernel).map(|answer| format!("; when it was tested: {}", answer.sentence()));
                (Accel::Kvm, format!("kvm: requested{}", found.unwrap_or_default()), None)
            }
            AccelRequest::Emulated(arch) => {
                (Accel::Tcg, format!("tcg: {} guests are emulated on this machine", arch.name), None)
            }
            AccelRequest::Auto => {
                let known = know(probe, store)?;
                let accel = known.answer.accel();
                (accel, format!("{}: {}", accel.name(), known.answer.sentence()), Some(known))
            }
        };
        Ok(Acceleration { accel, text, known, cache, progress: store.progress().clone() })
    }

    /// KVM or emulation.
    pub fn accel(&self) -> Accel {
        self.accel
    }

    /// The decision and its reason, such as `tcg: there is no /dev/kvm`.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// [`Session::record`] with what was decided. Updates the cached result if the guests contradict or confirm it: see the
    /// description of this module.
    ///
    /// # Errors
    /// As [`Session::record`], and when the cache cannot be written.
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
        let mut record = |accel, dir: &Path, plan: &[CaseKey]| {
            let mut booted = false;
            let guests = run(accel, dir, plan, &mut |record| {
                booted |= matches!(record, Record::Hello { .. });
                on_record(record);
            });
            (guests, booted)
        };
        let (guests, booted) = record(self.accel, dir, plan);
        if booted && self.accel == Accel::Tcg {
            self.confirm()?;
        }
        let mut guests = guests?;
        let proved = self.accel == Accel::Kvm && self.known.is_some();
        let silent = guests.iter().rev().take_while(|guest| proved && never_booted(guest)).count();
        let lost = guests.split_off(guests.len() - silent);
        if lost.is_empty() {
            return Ok(guests);
        }
        let begun: Vec<CaseKey> = guests.iter().flat_map(GuestRun::begun).collect();
        let left: Vec<CaseKey> = plan.iter().filter(|key| !begun.contains(key)).cloned().collect();
        self.progress.line("a guest did not boot under KVM; continuing with emulation");
        let (rest, booted) = record(Accel::Tcg, &dir.join("tcg"), &left);
        if booted {
            self.withdraw()?;
        } else {
            // The kernel does not boot either way, so the guests of both kinds are judged.
            guests.extend(lost);
        }
        guests.extend(rest?);
        Ok(guests)
    }

    /// The kernel that printed nothing in the test boots under emulation, so KVM is at fault: cache that for all kernels.
    fn confirm(&self) -> Result<()> {
        match &self.known {
            Some(KvmAnswer { answer, .. })
                if answer.may_be_the_kernels_fault() && self.cache.recall(None).is_none() =>
            {
                self.cache.remember(answer, None)
            }
            _ => Ok(()),
        }
    }

    fn withdraw(&mut self) -> Result<()> {
        let Some(known) = &mut self.known else { return Ok(()) };
        known.answer.withdraw("a guest did not boot under KVM, but did without it");
        self.accel = Accel::Tcg;
        self.text = format!("tcg: {}", known.answer.sentence());
        self.cache.remember(&known.answer, None)
    }
}

/// Whether a guest ended before its first record, was not interrupted, and its kernel did not complain.
fn never_booted(guest: &GuestRun) -> bool {
    let recording = &guest.recording;
    recording.ending != GuestEnd::Interrupted
        && guest.transcript.kernel.is_none()
        && complaint::scan(&recording.console).is_empty()
}

#[cfg(test)]
mod tests;
