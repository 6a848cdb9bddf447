//! The live process groups, and the guardian that ends them when this program cannot. The guardian is a shell that reads a
//! pipe. However this program ends, SIGKILL and abort included, the kernel closes that pipe. Then the guardian ends every
//! process that has this program's mark in its environment. That includes descendants in other groups, and a child that
//! was started just before this program died.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Result};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use nix::errno::Errno;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

/// The environment variable that marks the processes this program has started.
const MARK: &str = "DMABUF_CONFORMANCE_RUN";

/// Processes get three seconds to clean up after SIGTERM: make removes unfinished targets. The guardian ends after three
/// searches in a row without a result, because a child between fork and exec still has its parent's environment.
const GUARDIAN: &str = r#"
trap '' HUP INT QUIT TERM
cat >/dev/null
tries=0
quiet=0
while [ $quiet -lt 3 ]; do
    quiet=$((quiet + 1))
    [ $tries -lt 30 ] && signal=TERM || signal=KILL
    for found in $(grep -lsaF "$0" /proc/[0-9]*/environ); do
        quiet=0
        pid=${found#/proc/}
        kill -s $signal "${pid%/environ}" 2>/dev/null
    done
    tries=$((tries + 1))
    sleep 0.1
done
"#;

static GROUPS: Mutex<Groups> =
    Mutex::new(Groups { live: BTreeMap::new(), closed: false, guardian: Guardian::NotStarted });

/// Unique among all processes, past and future.
static RUN: LazyLock<String> = LazyLock::new(|| {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("{}.{}", std::process::id(), now.as_nanos())
});

struct Groups {
    /// By group: whether it may be killed.
    live: BTreeMap<i32, bool>,
    /// No process may be started any more.
    closed: bool,
    guardian: Guardian,
}

enum Guardian {
    NotStarted,
    /// There is no shell, so only this program can kill the groups.
    Absent,
    /// It ends the processes when the pipe is closed.
    Watching {
        _pipe: ChildStdin,
    },
}

/// Starts a command as the leader of a new process group. If it is not `killable` (dpkg, which would leave a system to
/// repair), neither this program nor the guardian kills it.
pub fn start(command: &mut Command, killable: bool) -> Result<Child> {
    // Spawns under the lock, so that `kill_all` sees every process.
    let mut groups = lock();
    if groups.closed {
        return Err(ErrorKind::Interrupted.into());
    }
    if matches!(groups.guardian, Guardian::NotStarted) {
        groups.guardian = guardian().map_or(Guardian::Absent, |pipe| Guardian::Watching { _pipe: pipe });
    }
    // Another run may have started this program; then the mark in the environment is that of the other run.
    if killable {
        command.env(MARK, &*RUN)
    } else {
        command.env_remove(MARK)
    };
    let child = command.process_group(0).spawn()?;
    groups.live.insert(child.id() as i32, killable);
    Ok(child)
}

/// Removes a group that has ended.
pub fn ended(group: i32) {
    lock().live.remove(&group);
}

/// Kills every group and lets no other start. If one may not be killed, kills nothing and returns false.
pub fn kill_all() -> bool {
    let mut groups = lock();
    if groups.live.values().any(|killable| !killable) {
        return false;
    }
    groups.closed = true;
    groups.live.keys().for_each(|group| kill(*group));
    true
}

/// Whether [`kill_all`] has killed all groups.
pub fn closed() -> bool {
    lock().closed
}

/// Sends SIGKILL to a group.
pub fn kill(group: i32) {
    let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
}

/// Sends SIGTERM to a group.
pub fn terminate(group: i32) {
    let _ = killpg(Pid::from_raw(group), Signal::SIGTERM);
}

/// Whether a process of the group still runs. Zombies do not count.
pub fn alive(group: i32) -> bool {
    if killpg(Pid::from_raw(group), None) == Err(Errno::ESRCH) {
        return false;
    }
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let mut stats = processes.filter_map(|process| std::fs::read_to_string(process.path().join("stat")).ok());
    stats.any(|stat| {
        // proc_pid_stat(5): the name is in parentheses, then come state, parent and group.
        let mut fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
        let state = fields.next().unwrap_or_default();
        fields.nth(1).and_then(|text| text.parse().ok()) == Some(group) && !matches!(state, "Z" | "X")
    })
}

fn guardian() -> Option<ChildStdin> {
    let mut command = Command::new("sh");
    // Its directory must not keep a file system busy, nor its output keep a reader waiting.
    command.args(["-c", GUARDIAN, &format!("{MARK}={}", *RUN)]).env_remove(MARK).current_dir("/").process_group(0);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().ok()?.stdin
}

fn lock() -> MutexGuard<'static, Groups> {
    GROUPS.lock().unwrap_or_else(PoisonError::into_inner)
}
