//! A guest with a shell: init starts it, on the console for a person or with a script, and stops the machine when
//! it ends. The host puts busybox and its order into the initramfs, and reads the channel of results.

use std::fs;
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::symlink;
use std::process::{Child, Command, Stdio};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

use crate::uapi::arch::CONSOLE;
use crate::uapi::arch::ResultPort;

/// Where the host puts its order.
pub const ORDER: &str = "/session/order.json";
/// The script, if there is one.
pub const SCRIPT: &str = "/session/script";
/// The shell and its tools.
pub const BUSYBOX: &str = "/bin/busybox";
/// Directory with the names of this program in a shell.
const OWN: &str = "/session/bin";
const PATH: &str = "/session/bin:/bin:/sbin:/usr/bin:/usr/sbin";
/// Interval for reading input from the host, in milliseconds.
const LOOK: u16 = 200;

/// The host's order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// Whether to run [`SCRIPT`]; else a shell on the console.
    pub script: bool,
    /// The host name: `uname -n`.
    pub name: String,
    /// Rows and columns of the terminal.
    pub size: Option<(u16, u16)>,
    /// The value of TERM.
    pub terminal: String,
    /// Whether to disable colours (no-color.org).
    pub plain: bool,
}

/// What the guest reports, one JSON object per line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SessionEvent {
    /// The shell is about to start.
    Ready,
    /// The script wrote to its standard output; base64.
    Out(String),
    /// The same to its standard error.
    Err(String),
    /// The shell could not be started.
    Failed(String),
    /// The shell or the script ended with this exit status; 128 plus the number for a signal, as in shells.
    Exit(i32),
}

/// Whether this guest runs a shell.
pub fn is_planned() -> bool {
    fs::exists(ORDER).unwrap_or(false)
}

/// Runs the shell and reports how it ended.
pub fn run(mounted: Result<(), String>) {
    let Ok(port) = ResultPort::open() else { return };
    let ended = mounted.and_then(|()| shell(&port));
    say(&port, &ended.map_or_else(SessionEvent::Failed, SessionEvent::Exit));
    port.drain();
}

fn say(port: &ResultPort, word: &SessionEvent) {
    let text = serde_json::to_string(word).unwrap_or_default();
    port.write(format!("{text}\n").as_bytes());
}

fn shell(port: &ResultPort) -> Result<i32, String> {
    let text = fs::read_to_string(ORDER).map_err(|error| format!("{ORDER}: {error}"))?;
    let order: Order = serde_json::from_str(&text).map_err(|error| format!("{ORDER}: {error}"))?;
    furnish(&order)?;
    let mut mask = SigSet::empty();
    // The last three are sent to init by halt, poweroff and reboot.
    [Signal::SIGCHLD, Signal::SIGUSR1, Signal::SIGUSR2, Signal::SIGTERM]
        .into_iter()
        .for_each(|signal| mask.add(signal));
    mask.thread_block().map_err(|errno| format!("blocking signals: {errno}"))?;
    let signals = SignalFd::with_flags(&mask, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC);
    let signals = signals.map_err(|errno| format!("signalfd: {errno}"))?;
    say(port, &SessionEvent::Ready);
    let mut child = start(&order).map_err(|error| format!("{BUSYBOX}: {error}"))?;
    let pid = Pid::from_raw(child.id() as i32);
    for end in ends(&child) {
        fcntl(end, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).map_err(|errno| format!("a pipe: {errno}"))?;
    }
    let mut heard = Vec::new();
    loop {
        wait(&signals, &child);
        let status = reap(pid);
        forward(port, &mut child);
        if let Some(status) = status {
            return Ok(status);
        }
        while let Ok(Some(signal)) = signals.read_signal() {
            if signal.ssi_signo != Signal::SIGCHLD as u32 {
                return Ok(0);
            }
        }
        while let Some(byte) = port.read() {
            heard.push(byte);
        }
        while let Some(end) = heard.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = heard.drain(..=end).collect();
            if let Some(size) = size(&String::from_utf8_lossy(&line)) {
                resize(size);
            }
        }
    }
}

/// Sets up what a shell needs and cases do not.
fn furnish(order: &Order) -> Result<(), String> {
    let install = Command::new(BUSYBOX).args(["--install", "-s", "/bin"]).status();
    if !install.as_ref().is_ok_and(std::process::ExitStatus::success) {
        return Err(format!("{BUSYBOX} --install: {install:?}"));
    }
    fs::create_dir_all(OWN)
        .and_then(|()| symlink("/init", format!("{OWN}/cases")))
        .map_err(|error| format!("{OWN}: {error}"))?;
    let _ = fs::create_dir_all("/root");
    let _ = nix::unistd::sethostname(&order.name);
    if !order.script {
        // On an interactive console only warnings and worse. `dmesg` shows the rest.
        let _ = fs::write("/proc/sys/kernel/printk", "5");
        order.size.into_iter().for_each(resize);
    }
    Ok(())
}

fn start(order: &Order) -> std::io::Result<Child> {
    let mut command = Command::new(BUSYBOX);
    command.env_clear().env("PATH", PATH).env("HOME", "/root").env("USER", "root").env("TERM", &order.terminal);
    if order.plain {
        command.env("NO_COLOR", "1");
    }
    command.current_dir("/root");
    if order.script {
        command.args(["sh", SCRIPT]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    } else {
        let console = || fs::File::options().read(true).write(true).open(CONSOLE).map(Stdio::from);
        // A session with the console as controlling terminal: needed for Ctrl-C and job control.
        command.args(["setsid", "-c", BUSYBOX, "sh", "-l"]).stdin(console()?).stdout(console()?).stderr(console()?);
    }
    command.spawn()
}

fn ends(child: &Child) -> Vec<BorrowedFd<'_>> {
    child.stdout.iter().map(AsFd::as_fd).chain(child.stderr.iter().map(AsFd::as_fd)).collect()
}

/// Waits for an event, or until it is time to read input from the host.
fn wait(signals: &SignalFd, child: &Child) {
    let ends = ends(child).into_iter().chain([signals.as_fd()]);
    let mut all: Vec<PollFd<'_>> = ends.map(|end| PollFd::new(end, PollFlags::POLLIN)).collect();
    let _ = poll(&mut all, PollTimeout::from(LOOK));
}

/// Reaps all ended children and returns the status of the shell.
fn reap(shell: Pid) -> Option<i32> {
    let mut ended = None;
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(pid, status)) if pid == shell => ended = Some(status),
            Ok(WaitStatus::Signaled(pid, signal, _)) if pid == shell => ended = Some(128 + signal as i32),
            Ok(WaitStatus::StillAlive) | Err(_) => return ended,
            Ok(_) => {}
        }
    }
}

/// Forwards the script's output so far. A pipe at its end is closed.
fn forward(port: &ResultPort, child: &mut Child) {
    if drained(child.stdout.as_mut(), |data| say(port, &SessionEvent::Out(data))) {
        child.stdout = None;
    }
    if drained(child.stderr.as_mut(), |data| say(port, &SessionEvent::Err(data))) {
        child.stderr = None;
    }
}

fn drained(end: Option<&mut impl Read>, mut each: impl FnMut(String)) -> bool {
    let Some(end) = end else { return false };
    let mut bytes = [0u8; 4096];
    loop {
        match end.read(&mut bytes) {
            Ok(0) => return true,
            Ok(len) => each(STANDARD.encode(&bytes[..len])),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => return false,
        }
    }
}

/// `50 190`: rows and columns.
fn size(line: &str) -> Option<(u16, u16)> {
    let (rows, columns) = line.trim().split_once(' ')?;
    Some((rows.parse().ok()?, columns.parse().ok()?))
}

fn resize((rows, columns): (u16, u16)) {
    let (rows, columns) = (rows.to_string(), columns.to_string());
    let _ = Command::new(BUSYBOX).args(["stty", "-F", CONSOLE, "rows", &rows, "cols", &columns]).status();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_two_numbers() {
        assert_eq!(size("50 190\n"), Some((50, 190)));
        assert_eq!([size("50"), size("x 1"), size("")], [None; 3]);
    }

    #[test]
    fn output_is_forwarded_completely_and_its_end_is_detected() {
        let mut all = Vec::new();
        let long = vec![7u8; 10_000];
        assert!(drained(Some(&mut long.as_slice()), |data| all.extend(STANDARD.decode(data).unwrap())));
        assert_eq!(all, long);
        assert!(!drained(None::<&mut &[u8]>, |_| {}));
    }
}
