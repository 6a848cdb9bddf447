//! Processes: fork, wait with a deadline, and the rights that a case gives up.

use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill, killpg};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork};

use super::own;

/// Runs `work` in a child of its own and gives back its process id. The child leads a process group, dies with its
/// parent, and ends with what `work` returns as its exit status.
///
/// # Errors
/// The errno of fork(2).
pub fn spawn(work: impl FnOnce() -> i32) -> Result<Pid, Errno> {
    // SAFETY: the runner has one thread, so the child may go on as an ordinary process.
    match unsafe { fork() }? {
        ForkResult::Parent { child } => {
            // Both sides set the group, so that it is there for whoever needs it first.
            let _ = nix::unistd::setpgid(child, child);
            Ok(child)
        }
        ForkResult::Child => {
            let _ = nix::unistd::setpgid(Pid::from_raw(0), Pid::from_raw(0));
            let _ = nix::sys::prctl::set_pdeathsig(Signal::SIGKILL);
            let status = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).unwrap_or(101);
            // SAFETY: ends the process without running the parent's exit handlers.
            unsafe { libc::_exit(status) }
        }
    }
}

/// How a child ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// With this exit status.
    Exited(i32),
    /// By this signal.
    Signalled(Signal),
    /// It had to be killed at its limit.
    TimedOut,
    /// It was killed at its limit and is still there: stuck inside the kernel.
    Stuck,
}

/// pidfd_open(2).
///
/// # Errors
/// The errno of the call.
pub fn pidfd(pid: Pid) -> Result<OwnedFd, Errno> {
    // SAFETY: no memory is involved.
    let fd = Errno::result(unsafe { libc::syscall(libc::SYS_pidfd_open, pid.as_raw(), 0) })?;
    Ok(own(fd as i32))
}

/// pidfd_getfd(2): a duplicate of another process's descriptor.
///
/// # Errors
/// The errno of the call.
pub fn pidfd_getfd(pidfd: &OwnedFd, number: i32) -> Result<OwnedFd, Errno> {
    use std::os::fd::AsRawFd;
    // SAFETY: no memory is involved.
    let fd = Errno::result(unsafe { libc::syscall(libc::SYS_pidfd_getfd, pidfd.as_raw_fd(), number, 0) })?;
    Ok(own(fd as i32))
}

/// kcmp(2) with `KCMP_FILE`: whether two descriptors of this process share one open file description.
///
/// # Errors
/// The errno of the call; `ENOSYS` without `CONFIG_KCMP`.
pub fn same_description(one: i32, other: i32) -> Result<bool, Errno> {
    const KCMP_FILE: i32 = 0;
    let pid = nix::unistd::getpid().as_raw();
    // SAFETY: no memory is involved.
    Errno::result(unsafe { libc::syscall(libc::SYS_kcmp, pid, pid, KCMP_FILE, one, other) }).map(|order| order == 0)
}

/// Waits for a child, and kills its whole process group when `limit` is over.
///
/// # Errors
/// The errno of pidfd_open(2), poll(2) or waitpid(2).
pub fn wait(pid: Pid, limit: Duration) -> Result<Ending, Errno> {
    let pidfd = pidfd(pid)?;
    if !ready(&pidfd, limit)? {
        let _ = killpg(pid, Signal::SIGKILL);
        if !ready(&pidfd, UNKILLABLE)? {
            return Ok(Ending::Stuck);
        }
        waitpid(pid, None)?;
        return Ok(Ending::TimedOut);
    }
    let ending = ending(waitpid(pid, None)?);
    // What it started must not disturb the rest of the case.
    let _ = killpg(pid, Signal::SIGKILL);
    Ok(ending)
}

fn ending(status: WaitStatus) -> Ending {
    match status {
        WaitStatus::Signaled(_, signal, _) => Ending::Signalled(signal),
        WaitStatus::Exited(_, status) => Ending::Exited(status),
        other => unreachable!("waitpid without options returned {other:?}"),
    }
}

/// What became of the process of a case and of those it left behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Farewell {
    /// How the process itself ended.
    pub ending: Ending,
    /// Other processes went on after it.
    pub survivors: bool,
    /// Something is still there: stuck inside the kernel.
    pub stuck: bool,
}

/// How long processes that die with their parent may take.
const DYING: Duration = Duration::from_secs(1);
/// What has not ended so long after a SIGKILL is not in user space any more: no signal reaches it.
const UNKILLABLE: Duration = Duration::from_secs(3);

/// Waits for a child until `limit`, and then ends every process of the machine but this one, in whatever group or session
/// it hides. Only for the first process, whose children all orphans become.
///
/// # Errors
/// The errno of pidfd_open(2), poll(2) or waitpid(2).
pub fn see_off(pid: Pid, limit: Duration) -> Result<Farewell, Errno> {
    let pidfd = pidfd(pid)?;
    let ending = if ready(&pidfd, limit)? { Some(ending(waitpid(pid, None)?)) } else { None };
    let survivors = ending.is_some() && !all_gone(DYING, false)?;
    let stuck = !all_gone(UNKILLABLE, true)?;
    let ending = ending.unwrap_or(if stuck { Ending::Stuck } else { Ending::TimedOut });
    Ok(Farewell { ending, survivors, stuck })
}

/// Takes the status of every child until there is none. False when `patience` passes without one ending.
fn all_gone(patience: Duration, kill_them: bool) -> Result<bool, Errno> {
    let mut progress = Instant::now();
    loop {
        if kill_them {
            // Everything but us, and again each time: what is born meanwhile was not there to be killed.
            let _ = kill(Pid::from_raw(-1), Signal::SIGKILL);
        }
        loop {
            match waitpid(None, Some(WaitPidFlag::WNOHANG | WaitPidFlag::__WALL)) {
                Ok(WaitStatus::StillAlive) => break,
                Ok(_) => progress = Instant::now(),
                Err(Errno::ECHILD) => return Ok(true),
                Err(errno) => return Err(errno),
            }
        }
        if progress.elapsed() > patience {
            return Ok(false);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Puts this process before all others: a case that wants every processor must not keep the runner from ending it.
pub fn come_first() {
    // SAFETY: no memory is involved.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, -20) };
}

/// Takes back [`come_first`], which children inherit.
pub fn come_as_others() {
    // SAFETY: no memory is involved.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, 0) };
}

/// sched_setscheduler(2) with SCHED_FIFO for this process.
///
/// # Errors
/// The errno of the call.
pub fn real_time(priority: i32) -> Result<(), Errno> {
    let parameter = libc::sched_param { sched_priority: priority };
    // SAFETY: the structure lives during the call.
    Errno::result(unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &parameter) }).map(drop)
}

fn ready(pidfd: &OwnedFd, limit: Duration) -> Result<bool, Errno> {
    let deadline = Instant::now() + limit;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
        match poll(&mut [PollFd::new(pidfd.as_fd(), PollFlags::POLLIN)], timeout) {
            Ok(0) if left.is_zero() => return Ok(false),
            Ok(0) | Err(Errno::EINTR) => {}
            Ok(_) => return Ok(true),
            Err(errno) => return Err(errno),
        }
    }
}

/// Kills one process and takes its status.
///
/// # Errors
/// The errno of kill(2) or waitpid(2).
pub fn kill_and_reap(pid: Pid) -> Result<(), Errno> {
    kill(pid, Signal::SIGKILL)?;
    waitpid(pid, None).map(drop)
}
