//! The process groups that are alive, and who ends them when this program cannot: a guardian, which is a shell that reads
//! a pipe. However this program ends, SIGKILL and abort included, the kernel closes that pipe. Then the guardian ends
//! every process that has this program's mark in its environment: children of children too, whatever group they are in,
//! and without a gap between the start of a child and somebody's knowing of it.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Result};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use nix::errno::Errno;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

/// The variable that marks what this program has started.
const MARK: &str = "DMABUF_CONFORMANCE_RUN";

/// Processes get three seconds to clean up after SIGTERM: make removes what it has half made. It takes three looks in a
/// row that find nothing, because a child that is just starting still looks like its parent.
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

/// Differs from that of every other process, before and after.
static RUN: LazyLock<String> = LazyLock::new(|| {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("{}.{}", std::process::id(), now.as_nanos())
});

struct Groups {
    /// Whether each may be killed.
    live: BTreeMap<i32, bool>,
    /// Nothing may start any more.
    closed: bool,
    guardian: Guardian,
}

enum Guardian {
    NotStarted,
    /// There is no shell: what is left is to kill groups in time.
    Absent,
    /// The open pipe is all it waits for.
    Watching {
        _pipe: ChildStdin,
    },
}

/// Starts a command as the leader of a group of its own. One that may not be killed, because it would leave a system to
/// repair, is left alone by everybody.
pub fn start(command: &mut Command, killable: bool) -> Result<Child> {
    // Under the lock, so that nothing starts behind the back of `kill_all`.
    let mut groups = lock();
    if groups.closed {
        return Err(ErrorKind::Interrupted.into());
    }
    if matches!(groups.guardian, Guardian::NotStarted) {
        groups.guardian = guardian().map_or(Guardian::Absent, |pipe| Guardian::Watching { _pipe: pipe });
    }
    // This program may itself have been started by another run of it, and have inherited a mark.
    if killable {
        command.env(MARK, &*RUN)
    } else {
        command.env_remove(MARK)
    };
    let child = command.process_group(0).spawn()?;
    groups.live.insert(child.id() as i32, killable);
    Ok(child)
}

/// Forgets a group: it is gone.
pub fn ended(group: i32) {
    lock().live.remove(&group);
}

/// Kills every group and lets nothing start any more; unless one may not be killed, then nothing happens.
pub fn kill_all() -> bool {
    let mut groups = lock();
    if groups.live.values().any(|killable| !killable) {
        return false;
    }
    groups.closed = true;
    groups.live.keys().for_each(|group| kill(*group));
    true
}

/// Whether [`kill_all`] has put an end to everything.
pub fn closed() -> bool {
    lock().closed
}

/// Kills a group, if there is anything left of it.
pub fn kill(group: i32) {
    let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
}

/// Asks a group to end.
pub fn terminate(group: i32) {
    let _ = killpg(Pid::from_raw(group), Signal::SIGTERM);
}

/// Whether anything of a group still runs. Zombies that nobody has reaped yet do not.
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
    // Neither its directory nor its output may keep a file system busy or a reader waiting.
    command.args(["-c", GUARDIAN, &format!("{MARK}={}", *RUN)]).env_remove(MARK).current_dir("/").process_group(0);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().ok()?.stdin
}

fn lock() -> MutexGuard<'static, Groups> {
    GROUPS.lock().unwrap_or_else(PoisonError::into_inner)
}
