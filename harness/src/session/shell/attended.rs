//! A guest whose console is the terminal of a person.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::process::Stdio;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use cases::session::SessionEvent;

use super::keys::{HELP, Keys, Typed};
use super::terminal::{self, BorrowedTerminal};
use super::unattended::ends;
use super::{Ended, last_words};
use crate::error::{Error, ErrorKind, Result, io};
use crate::guest::boot_plan::BootPlan;
use crate::host::process::{Running, check_interrupt, create, scratch_directory, tail};

/// How long QEMU may take to listen.
const START: Duration = Duration::from_secs(30);
/// From the last word to the end of QEMU.
const LEAVE: Duration = Duration::from_secs(20);
/// How often the size of the terminal is looked at.
const LOOK: Duration = Duration::from_millis(200);

enum Event {
    Typed(Vec<u8>),
    Shown(Vec<u8>),
    /// The console is closed: QEMU is gone, or about to be.
    Closed,
}

/// Runs the guest on the terminal until the shell is over or the person has enough.
///
/// # Errors
/// [`ErrorKind::Host`] when QEMU or the terminal cannot be had, [`ErrorKind::Interrupt`]. What the guest does is none.
pub fn run(plan: &BootPlan) -> Result<Ended> {
    let scratch = scratch_directory()?;
    let socket = scratch.path().join("results");
    let plan = &BootPlan { attended: Some(socket.clone()), ..plan.clone() };
    let stderr = plan.dir.join("qemu.stderr");
    let (keyboard, mut typing) = std::io::pipe().map_err(|error| io(&error, "making a pipe in", &plan.dir))?;
    let raw = BorrowedTerminal::raw()?;
    let mut qemu = plan.command().start(keyboard.into(), Stdio::piped(), create(&stderr)?.into())?;
    let screen = qemu.take_stdout().ok_or_else(|| Error::new(ErrorKind::Internal, "QEMU has no standard output"))?;
    let said = || tail(&std::fs::read_to_string(&stderr).unwrap_or_default(), 5);
    let Some(mut results) = connect(&socket, &mut qemu)? else {
        return Ok(Ended::Lost(format!("QEMU did not start\n{}", said())));
    };
    let listener = results.try_clone().map_err(|error| io(&error, "listening on", &socket))?;
    let (sender, events) = mpsc::channel();
    read(std::io::stdin(), sender.clone(), Event::Typed, None);
    read(screen, sender, Event::Shown, Some(Event::Closed));
    // A guest that takes no more keys must not keep us from seeing the one that ends it.
    let (keys_out, keys_in) = mpsc::channel::<Vec<u8>>();
    std::thread::spawn(move || while keys_in.recv().is_ok_and(|bytes| typing.write_all(&bytes).is_ok()) {});
    let words = std::thread::spawn(move || words(listener));

    let (mut keys, mut size) = (Keys::default(), terminal::size());
    let mut out = std::io::stdout();
    let dismissed = 'session: loop {
        check_interrupt()?;
        match events.recv_timeout(LOOK) {
            Ok(Event::Shown(bytes)) => {
                let _ = out.write_all(&bytes).and_then(|()| out.flush());
            }
            Ok(Event::Typed(bytes)) => {
                for typed in keys.type_in(&bytes) {
                    match typed {
                        Typed::Guest(bytes) => _ = keys_out.send(bytes),
                        Typed::Help => {
                            let _ = write!(out, "\r\n{HELP}\r\n").and_then(|()| out.flush());
                        }
                        Typed::Leave => break 'session true,
                    }
                }
            }
            Ok(Event::Closed) | Err(RecvTimeoutError::Disconnected) => break false,
            Err(RecvTimeoutError::Timeout) => {}
        }
        let now = terminal::size();
        if now != size {
            size = now;
            if let Some((rows, columns)) = size {
                let _ = writeln!(results, "{rows} {columns}");
            }
        }
    };
    let gone = !dismissed && ends(&mut qemu, LEAVE)?;
    // Without QEMU nothing more is said.
    drop(qemu);
    drop(raw);
    println!();
    let last = words.join().unwrap_or_default();
    Ok(match last {
        _ if dismissed => Ended::Dismissed,
        Some(SessionEvent::Exit(status)) if gone => Ended::Exit(status),
        Some(SessionEvent::Failed(why)) => Ended::Lost(why),
        _ => Ended::Lost(format!("it went away before the shell was over\n{}", last_words(&plan.dir, &said()))),
    })
}

/// Connects as soon as QEMU listens. Nothing when it ends instead.
fn connect(socket: &std::path::Path, qemu: &mut Running) -> Result<Option<UnixStream>> {
    let start = Instant::now();
    loop {
        match UnixStream::connect(socket) {
            Ok(stream) => return Ok(Some(stream)),
            Err(_) if qemu.try_wait()?.is_some() || start.elapsed() > START => return Ok(None),
            Err(_) => {
                check_interrupt()?;
                std::thread::sleep(Duration::from_millis(5));
            }
        }
    }
}

/// Reads in a thread of its own, for as long as there is somebody to hear of it.
fn read(mut from: impl Read + Send + 'static, to: Sender<Event>, each: fn(Vec<u8>) -> Event, end: Option<Event>) {
    std::thread::spawn(move || {
        let mut piece = [0u8; 4096];
        while let Ok(len) = from.read(&mut piece) {
            if len == 0 || to.send(each(piece[..len].to_vec())).is_err() {
                break;
            }
        }
        end.map(|end| to.send(end))
    });
}

/// The last thing that the guest says.
fn words(mut from: UnixStream) -> Option<SessionEvent> {
    let mut all = Vec::new();
    let _ = from.read_to_end(&mut all);
    all.split(|byte| *byte == b'\n').rev().find_map(|line| serde_json::from_slice(line).ok())
}
