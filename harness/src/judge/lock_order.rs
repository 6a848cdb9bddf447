//! Complaints of lockdep about the order in which locks are taken, and guests that do not check it.
//!
//! Lockdep switches itself off after a complaint, so each costs a guest. Locks that nearly every case takes in the wrong order would
//! cost a guest for nearly every case, and all would say the same.

use cases::complaint::Kind;

use crate::judge::complaint::Complaint;
use crate::judge::guest_run::GuestRun;

/// Kernel option (kernel/locking/lockdep.c): lockdep does not compare the orders in which locks are taken. It still checks which
/// locks are held.
pub const UNCHECKED: &str = "lockdep.prove_locking=0";

/// How often the same complaint is heard before later guests do not check the order any more.
pub const ENOUGH: usize = 6;

/// The complaints that [`UNCHECKED`] ends, without the words about held and freed locks.
const ABOUT_ORDER: [&str; 3] = ["WARNING: possible ", "WARNING: inconsistent lock state", "lock order detected"];

/// What the complaint is about, if it is about the order of locks: the classes of the two that were taken in two orders, or
/// its title.
pub fn of(complaint: &Complaint) -> Option<String> {
    let about = ABOUT_ORDER.iter().any(|words| complaint.title.contains(words));
    (complaint.kind == Kind::Lockdep && about).then(|| inverted(complaint).unwrap_or_else(|| complaint.title.clone()))
}

/// The classes of the locks that were taken in two orders.
pub fn inverted(complaint: &Complaint) -> Option<String> {
    let before = complaint.lines.iter().take_while(|line| !line.starts_with("which lock already depends"));
    let mut classes: Vec<&str> = before.filter_map(|line| Some(line.split_once(" (")?.1.split_once("){")?.0)).collect();
    classes.sort_unstable();
    (complaint.kind == Kind::Lockdep && classes.len() == 2).then(|| classes.join(" and "))
}

/// Whether this guest's kernel was told not to check the order. The kernel prints its command line while it boots.
pub fn is_unchecked(guest: &GuestRun) -> bool {
    let console = &guest.recording.console;
    console.windows(UNCHECKED.len()).any(|bytes| bytes == UNCHECKED.as_bytes())
}
