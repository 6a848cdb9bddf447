//! The terminal of a person, lent to a guest and given back whatever happens.

use std::io::{PipeWriter, Write};
use std::os::fd::AsFd;
use std::process::Stdio;
use std::sync::{Mutex, PoisonError};

use nix::sys::termios::{SetArg, Termios, cfmakeraw, tcgetattr, tcsetattr};

use crate::error::{Blame, Context, Result};
use crate::process::{Cmd, Running};

/// How the terminal was, while a guest has it.
static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);

/// Waits for a word. When this program is gone without it, killed for instance, it makes the terminal usable again.
const KEEPER: &str = "trap '' HUP INT QUIT TERM TTOU; read -r word; [ \"$word\" = done ] || stty sane </dev/tty";

/// The terminal hands over every key as it is typed, until this is dropped.
#[derive(Debug)]
pub struct Raw {
    keeper: Option<(Running, PipeWriter)>,
}

impl Raw {
    /// Takes the terminal on standard input.
    ///
    /// # Errors
    /// [`Blame::Host`] when it is none.
    pub fn enter() -> Result<Self> {
        let stdin = std::io::stdin();
        let before = tcgetattr(&stdin).context(Blame::Host, || "standard input is no terminal".into())?;
        let mut raw = before.clone();
        cfmakeraw(&mut raw);
        *BEFORE.lock().unwrap_or_else(PoisonError::into_inner) = Some(before);
        let raw_mode = Raw { keeper: keeper() };
        tcsetattr(&stdin, SetArg::TCSADRAIN, &raw).context(Blame::Host, || "the terminal cannot be set".into())?;
        Ok(raw_mode)
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        restore();
        if let Some((mut running, mut pipe)) = self.keeper.take()
            && pipe.write_all(b"done\n").is_ok()
        {
            let _ = running.finish();
        }
    }
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
    let (width, height) = terminal_size::terminal_size()?;
    Some((height.0, width.0))
}
