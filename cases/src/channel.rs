//! The guest's end of the result channel; for cases run by hand, the terminal.

use std::io::Write;
use std::sync::atomic::Ordering;

use nix::errno::Errno;

use crate::kernel_log::ComplaintLine;
use crate::protocol::{Line, Outcome, Record, TORN};
use crate::style::Style;
use crate::terminal;
use crate::uapi::arch::ResultPort;
use crate::uapi::memory::Shared;

/// Writes records. The runner and the process of the running case share one channel and one sequence. They never write
/// at the same time, because the runner waits while a case runs.
#[derive(Clone, Copy, Debug)]
pub struct Channel {
    sink: Sink,
    /// Shared by the processes. The counter is the number of the next record; on a terminal, whether the last line is
    /// open. The text is the outcome of the running case.
    shared: &'static Shared,
}

/// Where records go.
#[derive(Clone, Copy, Debug)]
enum Sink {
    Port(ResultPort),
    Terminal(Style),
}

impl Channel {
    /// Opens the channel.
    ///
    /// # Errors
    /// The errno of claiming the port or of mapping the shared memory.
    pub fn open() -> Result<Self, Errno> {
        Ok(Channel { sink: Sink::Port(ResultPort::open()?), shared: Shared::map()? })
    }

    /// Uses standard output instead.
    ///
    /// # Errors
    /// The errno of mapping the shared memory.
    pub fn terminal(style: Style) -> Result<Self, Errno> {
        Ok(Channel { sink: Sink::Terminal(style), shared: Shared::map()? })
    }

    /// Sends one record.
    pub fn send(&self, record: Record) {
        match self.sink {
            Sink::Port(port) => {
                let line = Line { seq: self.shared.counter.fetch_add(1, Ordering::Relaxed), record };
                let text = serde_json::to_string(&line);
                let mut text = text.unwrap_or_else(|error| format!("{{\"unencodable\":\"{error}\"}}"));
                text.push('\n');
                port.write(text.as_bytes());
            }
            Sink::Terminal(style) => {
                let open = self.shared.counter.load(Ordering::Relaxed) == 1;
                let Some((text, open)) = terminal::text(&record, open, style) else { return };
                self.shared.counter.store(u64::from(open), Ordering::Relaxed);
                self.raw(text.as_bytes());
            }
        }
    }

    /// Sends complaints from the kernel log.
    pub fn complaints(&self, noticed: &[ComplaintLine]) {
        for ComplaintLine { number, us, line, .. } in noticed {
            self.send(Record::Complaint { number: *number, us: *us, line: line.clone() });
        }
    }

    /// Called before a case begins.
    pub fn forget_outcome(&self) {
        self.shared.clear();
        self.shared.started.store(false, Ordering::SeqCst);
    }

    /// Lets the process of the case start.
    pub fn start_case(&self) {
        self.shared.started.store(true, Ordering::SeqCst);
    }

    /// Called in the process of the case: waits for [`Channel::start_case`], which takes no file.
    pub fn wait_for_start(&self) {
        while !self.shared.started.load(Ordering::SeqCst) {
            std::thread::yield_now();
        }
    }

    /// Hands the outcome of a case from its process to the runner. False if it is too long.
    pub fn hand_over(&self, outcome: &Outcome) -> bool {
        self.shared.write(&serde_json::to_vec(outcome).unwrap_or_default())
    }

    /// The outcome that the process of the case handed over. None unless exactly one process did.
    pub fn outcome(&self) -> Option<Outcome> {
        serde_json::from_slice(&self.shared.text()?).ok()
    }

    /// Terminates and marks a record that a killed process may have left incomplete.
    pub fn end_torn_record(&self) {
        if let Sink::Port(port) = self.sink {
            port.write(&[TORN, b'\n']);
        }
    }

    /// Writes bytes that are not a record, to prove that the host detects them.
    pub(crate) fn raw(&self, bytes: &[u8]) {
        match self.sink {
            Sink::Port(port) => port.write(bytes),
            // If standard output is closed, the exit status still shows the result.
            Sink::Terminal(_) => {
                let mut out = std::io::stdout().lock();
                let _ = out.write_all(bytes).and_then(|()| out.flush());
            }
        }
    }

    /// Waits until the host has received every byte.
    pub fn drain(&self) {
        if let Sink::Port(port) = self.sink {
            port.drain();
        }
    }
}
