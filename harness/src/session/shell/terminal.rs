//! The terminal of a person, lent to a guest and given back whatever happens.

use std::io::{PipeWriter, Write};
use std::os::fd::AsFd;
use std::process::{ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError};

use nix::sys::signal::{SigSet, Signal, killpg};
use nix::sys::termios::{SetArg, Termios, cfmakeraw, tcgetattr, tcsetattr};
use nix::unistd::{Pid, getpgrp, tcsetpgrp};

use crate::error::{Context, ErrorKind, Result};
use crate::host::process::{Cmd, Running};

/// How the terminal was, while a guest has it.
static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);

/// Waits for a word. When this program is gone without it, killed for instance, it makes the terminal usable again.
const KEEPER: &str = "trap '' HUP INT QUIT TERM TTOU; read -r word; [ \"$word\" = done ] || stty sane </dev/tty";

/// The terminal is somebody else's, until this is dropped.
#[derive(Debug)]
pub struct BorrowedTerminal {
    keeper: Option<(Running, PipeWriter)>,
}

impl BorrowedTerminal {
    /// Remembers how the terminal on standard input is.
    fn remember() -> Result<(Self, Termios)> {
        let before = tcgetattr(std::io::stdin()).context(ErrorKind::Host, || "standard input is no terminal".into())?;
        *BEFORE.lock().unwrap_or_else(PoisonError::into_inner) = Some(before.clone());
        Ok((BorrowedTerminal { keeper: keeper() }, before))
    }

    /// Makes the terminal hand over every key as it is typed.
    ///
    /// # Errors
    /// [`ErrorKind::Host`] when standard input is none.
    pub fn raw() -> Result<Self> {
        let (lent, mut settings) = BorrowedTerminal::remember()?;
        cfmakeraw(&mut settings);
        tcsetattr(std::io::stdin(), SetArg::TCSADRAIN, &settings)
            .context(ErrorKind::Host, || "the terminal cannot be set".into())?;
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

/// Runs a program that looks after the terminal itself, and wants to be in its foreground for that.
///
/// # Errors
/// [`ErrorKind::Host`] when there is no terminal or the program cannot be started, [`ErrorKind::Interrupt`].
pub fn lend(cmd: &Cmd) -> Result<ExitStatus> {
    let stdin = std::io::stdin();
    let lent = BorrowedTerminal::remember()?;
    // Who is in the background may not touch the terminal, unless it does not mind the signal.
    let mut mind = SigSet::empty();
    mind.add(Signal::SIGTTOU);
    mind.thread_block().context(ErrorKind::Host, || "a signal cannot be blocked".into())?;
    let mut running = cmd.start(Stdio::inherit(), Stdio::inherit(), Stdio::inherit())?;
    let group = Pid::from_raw(running.id() as i32);
    let _ = tcsetpgrp(&stdin, group);
    // It may have been faster, and been stopped.
    let _ = killpg(group, Signal::SIGCONT);
    let status = running.finish();
    drop(running);
    let _ = tcsetpgrp(&stdin, getpgrp());
    drop(lent);
    let _ = mind.thread_unblock();
    status
}

/// Gives the terminal back as it was, if a guest has it.
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
