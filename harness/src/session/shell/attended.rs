//! A guest whose console is the user's terminal.

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

/// How long QEMU may take to listen on its socket.
const START: Duration = Duration::from_secs(30);
/// Timeout from the last record to the end of QEMU.
const LEAVE: Duration = Duration::from_secs(20);
/// How often the size of the terminal is checked.
const LOOK: Duration = Duration::from_millis(200);

enum Event {
    Typed(Vec<u8>),
    Shown(Vec<u8>),
    /// The console is closed: QEMU has ended or is about to.
    Closed,
}

/// Runs the guest on the terminal until the shell or the user ends it.
///
/// # Errors
/// [`ErrorKind::Host`] when QEMU cannot be started or there is no terminal, [`ErrorKind::Interrupt`]. A lost guest is not an
/// error.
pub fn run(plan: &BootPlan) -> Result<Ended> {
    let scratch = scratch_directory()?;
    let socket = scratch.path().join("results");
    let plan = &BootPlan { attended: Some(socket.clone()), ..plan.clone() };
    let stderr = plan.dir.join("qemu.stderr");
    let (keyboard, mut typing) = std::io::pipe().map_err(|error| io(&error, "making a pipe in", &plan.dir))?;
    let raw = BorrowedTerminal::raw()?;
    let mut qemu = plan.command().start(keyboard.into(), Stdio::piped(), create(&stderr)?.into())?;
    let screen = qemu.take_stdout().ok_or_else(|| Error::new(ErrorKind::Internal, "QEMU has no standard output"))?;
    let messages = || tail(&std::fs::read_to_string(&stderr).unwrap_or_default(), 5);
    let Some(mut results) = connect(&socket, &mut qemu)? else {
        return Ok(Ended::Lost(format!("QEMU did not start\n{}", messages())));
    };
    let listener = results.try_clone().map_err(|error| io(&error, "listening on", &socket))?;
    let (sender, events) = mpsc::channel();
    read(std::io::stdin(), sender.clone(), Event::Typed, None);
    read(screen, sender, Event::Shown, Some(Event::Closed));
    // In a thread, so that the escape key works even if the guest no longer reads its console.
    let (keys_out, keys_in) = mpsc::channel::<Vec<u8>>();
    std::thread::spawn(move || while keys_in.recv().is_ok_and(|bytes| typing.write_all(&bytes).is_ok()) {});
    let event = std::thread::spawn(move || last_event(listener));

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
    // The thread that reads the results ends with QEMU.
    drop(qemu);
    drop(raw);
    println!();
    let last = event.join().unwrap_or_default();
    Ok(match last {
        _ if dismissed => Ended::Dismissed,
        Some(SessionEvent::Exit(status)) if gone => Ended::Exit(status),
        Some(SessionEvent::Failed(why)) => Ended::Lost(why),
        _ => Ended::Lost(format!("it ended before the shell did\n{}", last_words(&plan.dir, &messages()))),
    })
}

/// Connects as soon as QEMU listens. `None` if it ends or does not listen in time.
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

/// Reads in a thread, as long as there is a receiver.
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

/// The last event that the guest sends.
fn last_event(mut from: UnixStream) -> Option<SessionEvent> {
    let mut all = Vec::new();
    let _ = from.read_to_end(&mut all);
    all.split(|byte| *byte == b'\n').rev().find_map(|line| serde_json::from_slice(line).ok())
}
