//! `--gdb`: starts a guest that waits for gdb, and gdb on the terminal.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use cases::protocol::CaseKey;
use harness::error::{Error, ErrorKind, Result};
use harness::guest::debugger::{Debugger, GDB, symbol_file};
use harness::guest::qemu::Timeouts;
use harness::host::arch::Arch;
use harness::host::machine::Machine;
use harness::host::process::{Cmd, scratch_directory, terminal};
use harness::host::setup::need::{Purpose, missing};
use harness::judge::guest_run::GuestRun;
use harness::kbuild::image::debug;
use harness::session::accel::Accel;
use harness::session::guests::Session;

/// The default flavour with --gdb: sanitized, with debug information.
pub const FLAVOUR: &str = "debug";

/// gdb and its connection to the guest.
pub struct Gdb {
    debugger: Debugger,
    /// What gdb knows about the kernel.
    knows: &'static str,
    /// Directory of the socket. It is not in the run's directory because the path of a socket has at most about 100 bytes.
    _scratch: tempfile::TempDir,
}

impl Gdb {
    /// Prepares to debug one case on the kernel in `image`, for the run in `dir`.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] when it is not one case; [`ErrorKind::Host`].
    pub fn prepare(arch: &Arch, plan: &[CaseKey], image: &Path, dir: &Path) -> Result<Gdb> {
        require_one_case(plan)?;
        let scratch = scratch_directory()?;
        let (symbols, knows) = match debug::symbols(image) {
            Some(symbols) => (symbols, "types, lines and variables"),
            None => {
                let symbols = dir.join("symbols");
                symbol_file(arch, &image.join("System.map"), &symbols)?;
                (symbols, "only function names: the kernel was built without debug information (use --flavour debug)")
            }
        };
        let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
        let scripts = debug::scripts(image).map(|path| absolute(&path));
        let socket = scratch.path().join("gdb");
        let debugger = Debugger::prepare(arch, &absolute(dir), &socket, &absolute(&symbols), scripts.as_deref())?;
        Ok(Gdb { debugger, knows, _scratch: scratch })
    }

    /// Boots the guest of a session and attaches gdb, without a timeout.
    ///
    /// # Errors
    /// As [`Session::record`]; [`ErrorKind::Host`] when gdb cannot be started.
    pub fn record(&self, session: &Session<'_>, plan: &[CaseKey]) -> Result<Vec<GuestRun>> {
        let session = Session {
            gdb: Some(self.debugger.socket.clone()),
            // The guest that was ended is not replaced.
            guests: Some(1),
            timeouts: Timeouts::endless(),
            ..session.clone()
        };
        let over = AtomicBool::new(false);
        eprintln!("the guest waits for gdb, which knows {}", self.knows);
        if session.accel == Accel::Kvm {
            eprintln!("under KVM there are four breakpoints, set with hbreak; with --accel tcg there is no limit");
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

    /// Starts gdb on a terminal; otherwise prints the command.
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
            eprintln!("gdb ended ({status}); the guest still runs, Ctrl-C ends it");
        }
        Ok(())
    }
}

/// Checks that the plan is one case.
///
/// # Errors
/// [`ErrorKind::Usage`] when it is not one case.
pub fn require_one_case(plan: &[CaseKey]) -> Result<()> {
    if let [_] = plan {
        return Ok(());
    }
    let some: Vec<&str> = plan.iter().take(4).map(|key| key.0.as_str()).collect();
    let more = if plan.len() > some.len() { ", ..." } else { "" };
    Err(Error::new(ErrorKind::Usage, format!("--gdb needs exactly one case, but {} are selected", plan.len()))
        .cause(format!("{}{more}", some.join(", ")))
        .next("Select one with --exact, or with --case for a pack."))
}
