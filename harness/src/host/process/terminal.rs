//! Interactive programs. They need the terminal, which belongs to one process group at a time.

use std::io::IsTerminal;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{SigSet, Signal, killpg};
use nix::unistd::{Pid, getpgrp, tcsetpgrp};

use super::{Cmd, Running, check_interrupt};
use crate::error::Result;

/// Whether standard input and output are a terminal.
pub fn is_there() -> bool {
    std::io::stdin().is_terminal() && std::io::stdout().is_terminal()
}

impl Cmd {
    /// Runs the child to its end in the foreground of this program's terminal. Keys go to the child, Ctrl-C included.
    ///
    /// # Errors
    /// [`crate::error::ErrorKind::Host`] when it cannot be started; [`crate::error::ErrorKind::Interrupt`] when this program
    /// is asked to stop, with the child stopped.
    pub fn on_terminal(&self) -> Result<ExitStatus> {
        let _own = Own;
        let mut running = self.start(Stdio::inherit(), Stdio::inherit(), Stdio::inherit())?;
        give_to(Pid::from_raw(running.group()));
        // It may have been stopped because it used the terminal before it was in the foreground.
        let _ = killpg(Pid::from_raw(running.group()), Signal::SIGCONT);
        loop {
            if let Some(status) = running.try_wait()? {
                return Ok(status);
            }
            if let Err(interrupt) = check_interrupt() {
                running.stop();
                return Err(interrupt);
            }
            // After Ctrl-Z: there is no shell that could continue it.
            if is_stopped(&running) {
                let _ = killpg(Pid::from_raw(running.group()), Signal::SIGCONT);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// Dropping it takes the terminal back.
struct Own;

impl Drop for Own {
    fn drop(&mut self) {
        give_to(getpgrp());
    }
}

/// Makes a group the foreground process group. tcsetpgrp(3): a background process that does this is stopped, unless it
/// blocks SIGTTOU.
fn give_to(group: Pid) {
    let mut ttou = SigSet::empty();
    ttou.add(Signal::SIGTTOU);
    let blocked = ttou.thread_block();
    // Fails without a terminal, which does not matter.
    let _ = tcsetpgrp(std::io::stdin(), group);
    if blocked.is_ok() {
        let _ = ttou.thread_unblock();
    }
}

/// proc_pid_stat(5): the state follows the name, which is in parentheses.
fn is_stopped(running: &Running) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", running.id())).unwrap_or_default();
    stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('T'))
}
