//! Waiting for RCU from user space.

use nix::errno::Errno;
use nix::libc;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

/// `MEMBARRIER_CMD_GLOBAL`: synchronize_rcu() where more than one processor is online (kernel/sched/membarrier.c).
const GLOBAL: libc::c_int = 1;

/// Waits for a grace period on every processor in turn. The kernel waits with a callback of its own, which runs after
/// those that were queued on the same processor before, so these have run as well. Not guaranteed, as kernels may wait
/// in another way, but the best possible without the test importer.
///
/// # Errors
/// The errno of membarrier(2), sched_getaffinity(2) or sched_setaffinity(2).
pub fn settle() -> Result<(), Errno> {
    let this = Pid::from_raw(0);
    let all = sched_getaffinity(this)?;
    for cpu in (0..CpuSet::count()).filter(|cpu| all.is_set(*cpu).unwrap_or(false)) {
        let mut one = CpuSet::new();
        one.set(cpu)?;
        sched_setaffinity(this, &one)?;
        // SAFETY: the command has no argument and touches no memory.
        let waited = Errno::result(unsafe { libc::syscall(libc::SYS_membarrier, GLOBAL, 0, 0) });
        sched_setaffinity(this, &all)?;
        waited?;
    }
    Ok(())
}
