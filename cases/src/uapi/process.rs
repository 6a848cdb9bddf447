//! Processes: fork, waiting with a time limit, killing, priorities.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, kill, killpg, sigaction};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork};

use super::own;

/// Runs `work` in a child and returns its process id. The child leads a process group, dies with its
/// parent, and exits with the value of `work` as its status.
///
/// # Errors
/// The errno of fork(2).
pub fn spawn(work: impl FnOnce() -> i32) -> Result<Pid, Errno> {
    // SAFETY: the runner has one thread, so the child may continue as an ordinary process.
    match unsafe { fork() }? {
        ForkResult::Parent { child } => {
            // Both sides set the group, so that it exists whoever runs first.
            let _ = nix::unistd::setpgid(child, child);
            Ok(child)
        }
        ForkResult::Child => {
            let _ = nix::unistd::setpgid(Pid::from_raw(0), Pid::from_raw(0));
            let _ = nix::sys::prctl::set_pdeathsig(Signal::SIGKILL);
            if MINDING.load(Ordering::Relaxed) {
                handle(SigHandler::SigDfl);
            }
            let status = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).unwrap_or(101);
            // SAFETY: ends the process without running the parent's exit handlers.
            unsafe { libc::_exit(status) }
        }
    }
}

/// How a child ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChildStatus {
    /// With this exit status.
    Exited(i32),
    /// By this signal.
    Signalled(Signal),
    /// It was killed at its limit.
    TimedOut,
    /// It was killed at its limit and still exists: stuck in the kernel.
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

/// Waits for a child, and kills its whole process group after `limit`.
///
/// # Errors
/// The errno of pidfd_open(2), poll(2) or waitpid(2).
pub fn wait(pid: Pid, limit: Duration) -> Result<ChildStatus, Errno> {
    let pidfd = pidfd(pid)?;
    if !ready(&pidfd, limit)? {
        let _ = killpg(pid, Signal::SIGKILL);
        if !ready(&pidfd, UNKILLABLE)? {
            return Ok(ChildStatus::Stuck);
        }
        waitpid(pid, None)?;
        return Ok(ChildStatus::TimedOut);
    }
    let ending = ending(waitpid(pid, None)?);
    // Its children must not disturb the rest of the case.
    let _ = killpg(pid, Signal::SIGKILL);
    Ok(ending)
}

fn ending(status: WaitStatus) -> ChildStatus {
    match status {
        WaitStatus::Signaled(_, signal, _) => ChildStatus::Signalled(signal),
        WaitStatus::Exited(_, status) => ChildStatus::Exited(status),
        other => unreachable!("waitpid without options returned {other:?}"),
    }
}

/// How the process of a case ended, and whether it left other processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reaped {
    /// How the process itself ended.
    pub ending: ChildStatus,
    /// Other processes still ran after it.
    pub survivors: bool,
    /// A process still exists: stuck in the kernel.
    pub stuck: bool,
}

/// Time limit for processes that die with their parent.
const DYING: Duration = Duration::from_secs(1);
/// A process that has not ended this long after SIGKILL is stuck in the kernel.
const UNKILLABLE: Duration = Duration::from_secs(3);

/// The processes that are killed when a case ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KillScope {
    /// Every process of the machine but this one. Only for init.
    Everything,
    /// The descendants of this one. Their orphans become its children: see [`adopt`].
    Descendants,
}

/// Makes this process the parent of all orphans among its descendants (PR_SET_CHILD_SUBREAPER of prctl(2)), so that no
/// descendant is missed. Children do not inherit this.
///
/// # Errors
/// The errno of the call.
pub fn adopt() -> Result<(), Errno> {
    nix::sys::prctl::set_child_subreaper(true)
}

/// Waits for a child until `limit`, and then kills every process in `scope`, whatever its group or session. Their
/// orphans must become children of this process. `waits` is called when this process has opened all files that it needs.
///
/// # Errors
/// The errno of pidfd_open(2), poll(2) or waitpid(2).
pub fn wait_and_reap(pid: Pid, limit: Duration, scope: KillScope, waits: impl FnOnce()) -> Result<Reaped, Errno> {
    let pidfd = pidfd(pid);
    waits();
    let pidfd = pidfd?;
    let ending = if ready(&pidfd, limit)? { Some(ending(waitpid(pid, None)?)) } else { None };
    // Without a child there is no descendant either: orphans become children of this process.
    let gone = ending.is_some() && all_gone(DYING, None)?;
    let survivors = ending.is_some() && !gone;
    let stuck = !gone && !all_gone(UNKILLABLE, Some(scope))?;
    let ending = ending.unwrap_or(if stuck { ChildStatus::Stuck } else { ChildStatus::TimedOut });
    Ok(Reaped { ending, survivors, stuck })
}

/// Kills and reaps children until there is none. False when none ends within `patience`.
fn all_gone(patience: Duration, kill_them: Option<KillScope>) -> Result<bool, Errno> {
    let mut progress = Instant::now();
    loop {
        // Killed again each time: new processes may have been created meanwhile.
        match kill_them {
            Some(KillScope::Everything) => _ = kill(Pid::from_raw(-1), Signal::SIGKILL),
            Some(KillScope::Descendants) => descendants().into_iter().for_each(|pid| _ = kill(pid, Signal::SIGKILL)),
            None => {}
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

/// The descendants of this process, from /proc.
fn descendants() -> Vec<Pid> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let parents: Vec<(i32, i32)> = entries
        .filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
            Some((pid, parent(&stat)?))
        })
        .collect();
    below(nix::unistd::getpid().as_raw(), &parents).into_iter().map(Pid::from_raw).collect()
}

/// The parent in /proc/PID/stat (proc_pid_stat(5)); the name before it is in parentheses and may contain any byte.
fn parent(stat: &str) -> Option<i32> {
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

fn below(root: i32, parents: &[(i32, i32)]) -> Vec<i32> {
    let mut found = vec![root];
    let mut next = 0;
    while let Some(parent) = found.get(next).copied() {
        found.extend(parents.iter().filter(|(_, other)| *other == parent).map(|(pid, _)| pid));
        next += 1;
    }
    found.split_off(1)
}

/// Whether interrupts are caught.
static MINDING: AtomicBool = AtomicBool::new(false);
static INTERRUPTED: AtomicBool = AtomicBool::new(false);
/// A signal that comes just before this process goes to sleep is noticed after this time.
const NOTICE: Duration = Duration::from_millis(200);

/// From now on Ctrl-C and similar signals end waits of this process, not the process. Its children are not affected.
pub fn catch_interrupts() {
    extern "C" fn note(_: libc::c_int) {
        INTERRUPTED.store(true, Ordering::Relaxed);
    }
    handle(SigHandler::Handler(note));
    MINDING.store(true, Ordering::Relaxed);
}

/// Whether this process was interrupted since then.
pub fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::Relaxed)
}

fn handle(handler: SigHandler) {
    let action = SigAction::new(handler, SaFlags::empty(), SigSet::empty());
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        // SAFETY: the handler only stores into an atomic.
        let _ = unsafe { sigaction(signal, &action) };
    }
}

/// Installs a handler that does nothing. With `restart` an interrupted call is restarted, else it returns `EINTR`
/// (sigaction(2), `SA_RESTART`).
///
/// # Errors
/// The errno of the call.
pub fn handle_signal(signal: Signal, restart: bool) -> Result<(), Errno> {
    extern "C" fn nothing(_: libc::c_int) {}
    let flags = if restart { SaFlags::SA_RESTART } else { SaFlags::empty() };
    let action = SigAction::new(SigHandler::Handler(nothing), flags, SigSet::empty());
    // SAFETY: the handler does nothing.
    unsafe { sigaction(signal, &action) }.map(drop)
}

/// tgkill(2): a signal to one thread of this process.
///
/// # Errors
/// The errno of the call.
pub fn signal_thread(thread: Pid, signal: Signal) -> Result<(), Errno> {
    let process = nix::unistd::getpid().as_raw();
    // SAFETY: no memory is involved.
    Errno::result(unsafe { libc::syscall(libc::SYS_tgkill, process, thread.as_raw(), signal as i32) }).map(drop)
}

/// Gives this process the highest priority, so that it can stop a case that uses every processor.
pub fn raise_priority() {
    // SAFETY: no memory is involved.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, -20) };
}

/// Undoes [`raise_priority`], which children inherit.
pub fn reset_priority() {
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
    let slice = if MINDING.load(Ordering::Relaxed) { NOTICE } else { Duration::MAX };
    loop {
        if interrupted() {
            return Ok(false);
        }
        let left = deadline.saturating_duration_since(Instant::now());
        let timeout = PollTimeout::try_from(left.min(slice)).unwrap_or(PollTimeout::MAX);
        match poll(&mut [PollFd::new(pidfd.as_fd(), PollFlags::POLLIN)], timeout) {
            Ok(0) if left.is_zero() => return Ok(false),
            Ok(0) | Err(Errno::EINTR) => {}
            Ok(_) => return Ok(true),
            Err(errno) => return Err(errno),
        }
    }
}

/// Kills one process, reaps it, and returns how it ended: by itself if it was faster.
///
/// # Errors
/// The errno of kill(2) or waitpid(2).
pub fn kill_and_reap(pid: Pid) -> Result<ChildStatus, Errno> {
    kill(pid, Signal::SIGKILL)?;
    waitpid(pid, None).map(ending)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_below_are_found_at_every_depth_and_nobody_else() {
        let parents = [(1, 0), (10, 1), (20, 10), (30, 20), (31, 20), (40, 1), (41, 40)];
        let mut found = below(10, &parents);
        found.sort_unstable();
        assert_eq!(found, [20, 30, 31]);
        assert!(below(41, &parents).is_empty());
    }

    #[test]
    fn a_name_cannot_pretend_to_be_a_parent() {
        assert_eq!(parent("30 (a) S 7 (b) S 20 30 30 0"), Some(20));
        assert_eq!(parent("nonsense"), None);
    }
}
