//! Complaints that damage nothing and come again and again.
//!
//! After a complaint the next case runs in a new guest. A mistake in a function that nearly every case calls would cost a guest for
//! nearly every case, and all would say the same. So guests are told which kinds are known, and go on after them. Lockdep switches itself
//! off after its first complaint; it is told not to compare orders, so that the rest of it still works.

use std::collections::BTreeSet;

use cases::complaint::{KNOWN, Kind};
use cases::protocol::Outcome;

use crate::judge::complaint::Complaint;
use crate::judge::guest_run::GuestRun;
use crate::judge::verdict::CaseVerdict;

/// Kernel option (kernel/locking/lockdep.c): lockdep does not compare the orders in which locks are taken. It still checks which
/// locks are held.
const UNCHECKED: &str = "lockdep.prove_locking=0";

/// How often the same complaint is heard before later guests go on after its kind.
pub const ENOUGH: usize = 4;

/// What distinguishes a complaint that damages nothing: the locks that were taken in two orders, or the function at fault.
pub fn place(complaint: &Complaint) -> Option<String> {
    let of_function = || complaint.frame.clone().unwrap_or_else(|| complaint.title.clone());
    complaint.kind.is_harmless().then(|| inverted_locks(complaint).unwrap_or_else(of_function))
}

/// The classes of the locks that were taken in two orders.
pub fn inverted_locks(complaint: &Complaint) -> Option<String> {
    let before = complaint.lines.iter().take_while(|line| !line.starts_with("which lock already depends"));
    let mut classes: Vec<&str> = before.filter_map(|line| Some(line.split_once(" (")?.1.split_once("){")?.0)).collect();
    classes.sort_unstable();
    (complaint.kind == Kind::Lockdep && classes.len() == 2).then(|| classes.join(" and "))
}

/// Whether all that is wrong with a case is that the kernel complained about what damaged nothing.
pub fn only_complains(verdict: &CaseVerdict) -> bool {
    let Some(run) = &verdict.run else { return false };
    let heard: Vec<&Complaint> = verdict.complaints.iter().filter(|one| one.suppressed.is_none()).collect();
    let harmless = !heard.is_empty() && heard.iter().all(|complaint| complaint.kind.is_harmless());
    harmless && run.outcome == Some(Outcome::Pass) && run.failed_checks().next().is_none()
}

/// The words on the kernel's command line that tell it and the guest which kinds are known.
pub fn words(known: &BTreeSet<Kind>) -> Vec<String> {
    let names: Vec<&str> = known.iter().map(|kind| kind.name()).collect();
    let about_locks = known.contains(&Kind::Lockdep) || known.contains(&Kind::WaitContext);
    let told = (!names.is_empty()).then(|| format!("{KNOWN}={}", names.join(",")));
    told.into_iter().chain(about_locks.then(|| UNCHECKED.to_string())).collect()
}

/// Whether this guest's kernel was told not to compare orders of locks. It prints its command line while it boots.
pub fn is_order_unchecked(guest: &GuestRun) -> bool {
    let console = &guest.recording.console;
    console.windows(UNCHECKED.len()).any(|bytes| bytes == UNCHECKED.as_bytes())
}
