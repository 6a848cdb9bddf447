//! Lends the terminal to a guest and restores it in every case.

use std::io::{PipeWriter, Write};
use std::os::fd::AsFd;
use std::process::{ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError};

use nix::sys::signal::{SigSet, Signal, killpg};
use nix::sys::termios::{SetArg, Termios, cfmakeraw, tcgetattr, tcsetattr};
use nix::unistd::{Pid, getpgrp, tcsetpgrp};

use crate::error::{Context, ErrorKind, Result};
use crate::host::process::{Cmd, Running};

/// The settings to restore, while a guest has the terminal.
static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);

/// Waits for the word `done`. If this program ends without it, because it was killed, restores sane terminal settings.
const KEEPER: &str = "trap '' HUP INT QUIT TERM TTOU; read -r word; [ \"$word\" = done ] || stty sane </dev/tty";

/// Restores the terminal when it is dropped.
#[derive(Debug)]
pub struct BorrowedTerminal {
    keeper: Option<(Running, PipeWriter)>,
}

impl BorrowedTerminal {
    /// Saves the settings of the terminal on standard input.
    fn remember() -> Result<(Self, Termios)> {
        let before =
            tcgetattr(std::io::stdin()).context(ErrorKind::Host, || "standard input is not a terminal".into())?;
        *BEFORE.lock().unwrap_or_else(PoisonError::into_inner) = Some(before.clone());
        Ok((BorrowedTerminal { keeper: keeper() }, before))
    }

    /// Puts the terminal into raw mode: every key arrives as it is typed.
    ///
    /// # Errors
    /// [`ErrorKind::Host`] when standard input is not a terminal.
    pub fn raw() -> Result<Self> {
        let (lent, mut settings) = BorrowedTerminal::remember()?;
        cfmakeraw(&mut settings);
        tcsetattr(std::io::stdin(), SetArg::TCSADRAIN, &settings)
            .context(ErrorKind::Host, || "the settings of the terminal cannot be changed".into())?;
        Ok(lent)
    }
}

impl Drop for BorrowedTerminal {
    fn drop(&mut self) {
        restore();
        if let Some((mut running, mut pipe)) = self.keeper.take()
            && pipe.write_all(b"done\n").is_ok()
        {
            let _ = running.finish();
        }
    }
}

/// Runs a program in the foreground of the terminal, which it sets up itself.
///
/// # Errors
/// [`ErrorKind::Host`] when there is no terminal or the program cannot be started, [`ErrorKind::Interrupt`].
pub fn lend(cmd: &Cmd) -> Result<ExitStatus> {
    let stdin = std::io::stdin();
    let lent = BorrowedTerminal::remember()?;
    // A background process that sets up the terminal gets SIGTTOU, unless it blocks it.
    let mut blocked = SigSet::empty();
    blocked.add(Signal::SIGTTOU);
    blocked.thread_block().context(ErrorKind::Host, || "a signal cannot be blocked".into())?;
    let mut running = cmd.start(Stdio::inherit(), Stdio::inherit(), Stdio::inherit())?;
    let group = Pid::from_raw(running.id() as i32);
    let _ = tcsetpgrp(&stdin, group);
    // It may have used the terminal before it was in the foreground, and been stopped.
    let _ = killpg(group, Signal::SIGCONT);
    let status = running.finish();
    drop(running);
    let _ = tcsetpgrp(&stdin, getpgrp());
    drop(lent);
    let _ = blocked.thread_unblock();
    status
}

/// Restores the terminal, if a guest has it.
pub fn restore() {
    if let Some(before) = BEFORE.lock().unwrap_or_else(PoisonError::into_inner).take() {
        let _ = tcsetattr(std::io::stdin().as_fd(), SetArg::TCSADRAIN, &before);
    }
}

fn keeper() -> Option<(Running, PipeWriter)> {
    let (reader, writer) = std::io::pipe().ok()?;
    let running = Cmd::new("sh").args(["-c", KEEPER]).start(reader.into(), Stdio::null(), Stdio::null()).ok()?;
    Some((running, writer))
}

/// Rows and columns.
pub fn size() -> Option<(u16, u16)> {
    console::Term::stdout().size_checked()
}
