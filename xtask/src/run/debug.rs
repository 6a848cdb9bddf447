//! `--gdb`: a guest that waits for gdb, and gdb on the terminal of whoever asked for it.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use cases::protocol::CaseKey;
use harness::error::{Error, ErrorKind, Result};
use harness::guest::debugger::{Debugger, GDB, symbol_file};
use harness::guest::qemu::Timeouts;
use harness::host::machine::Machine;
use harness::host::process::{Cmd, scratch_directory, terminal};
use harness::host::setup::need::{Purpose, missing};
use harness::judge::guest_run::GuestRun;
use harness::kbuild::image::debug;
use harness::session::accel::Accel;
use harness::session::guests::Session;

/// The flavour that is debugged unless another one is asked for: as sanitized, with debug information.
pub const FLAVOUR: &str = "debug";

/// gdb and where it meets the guest.
pub struct Gdb {
    debugger: Debugger,
    /// What gdb will know.
    knows: &'static str,
    /// Not in the directory of the run: the path of a socket has room for a hundred bytes only.
    _scratch: tempfile::TempDir,
}

impl Gdb {
    /// Prepares to debug one case of the kernel whose System.map is in `image`, in a run that is kept in `dir`.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] when it is not one case; [`ErrorKind::Host`].
    pub fn prepare(plan: &[CaseKey], image: &Path, dir: &Path) -> Result<Gdb> {
        only(plan)?;
        let scratch = scratch_directory()?;
        let (symbols, knows) = match debug::symbols(image) {
            Some(symbols) => (symbols, "types, lines and variables"),
            None => {
                let symbols = dir.join("symbols");
                symbol_file(&image.join("System.map"), &symbols)?;
                (symbols, "names of functions only: the kernel was built without debug information (--flavour debug)")
            }
        };
        let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
        let scripts = debug::scripts(image).map(|path| absolute(&path));
        let socket = scratch.path().join("gdb");
        let debugger = Debugger::prepare(&absolute(dir), &socket, &absolute(&symbols), scripts.as_deref())?;
        Ok(Gdb { debugger, knows, _scratch: scratch })
    }

    /// Boots the guest of a session and lets somebody look into it, for as long as that takes.
    ///
    /// # Errors
    /// As [`Session::record`]; [`ErrorKind::Host`] when gdb cannot be started.
    pub fn record(&self, session: &Session<'_>, plan: &[CaseKey]) -> Result<Vec<GuestRun>> {
        let session = Session {
            gdb: Some(self.debugger.socket.clone()),
            // Whoever ends the guest has seen enough.
            guests: Some(1),
            timeouts: Timeouts::endless(),
            ..session.clone()
        };
        let over = AtomicBool::new(false);
        eprintln!("the guest waits for gdb, which knows {}", self.knows);
        if session.accel == Accel::Kvm {
            eprintln!("under KVM there are four breakpoints, made with hbreak; --accel tcg has as many as you like");
        }
        thread::scope(|scope| {
            let attached = scope.spawn(|| self.attach(&over));
            let guests = session.record(plan, |_| {});
            over.store(true, Ordering::Relaxed);
            let attached = attached.join().unwrap_or(Ok(()));
            let guests = guests?;
            attached.map(|()| guests)
        })
    }

    /// Starts gdb where there is a person, else says how to.
    fn attach(&self, over: &AtomicBool) -> Result<()> {
        let command = self.debugger.command();
        while !self.debugger.socket.exists() {
            if over.load(Ordering::Relaxed) {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(20));
        }
        if !terminal::is_there() || !missing(&[Purpose::Debugger], &Machine::this()).is_empty() {
            eprintln!("attach with: {command}");
            return Ok(());
        }
        eprintln!("{command}");
        let script = self.debugger.script.display().to_string();
        let status = Cmd::new(GDB).args(["-q", "-x", script.as_str()]).on_terminal()?;
        if !over.load(Ordering::Relaxed) {
            eprintln!("gdb is gone ({status}); the guest goes on, Ctrl-C ends it");
        }
        Ok(())
    }
}

/// Looks whether a plan can be debugged.
///
/// # Errors
/// [`ErrorKind::Usage`] when it is not one case.
pub fn only(plan: &[CaseKey]) -> Result<()> {
    if let [_] = plan {
        return Ok(());
    }
    let some: Vec<&str> = plan.iter().take(4).map(|key| key.0.as_str()).collect();
    let more = if plan.len() > some.len() { ", ..." } else { "" };
    Err(Error::new(ErrorKind::Usage, format!("--gdb is for one case, and {} are chosen", plan.len()))
        .cause(format!("{}{more}", some.join(", ")))
        .next("Name one of them with --exact, or in a pack with --case."))
}
