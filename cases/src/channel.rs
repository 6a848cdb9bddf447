//! The guest's end of the result channel.

use std::sync::atomic::{AtomicU64, Ordering};

use nix::errno::Errno;

use crate::kernel_log::Noticed;
use crate::protocol::{Line, Record, TORN};
use crate::uapi::memory;
use crate::uapi::port::SerialPort;

/// The second serial port of a PC. The first is the console and belongs to the kernel.
const PORT: u16 = 0x2f8;

/// Writes records. The runner and the process of the running case share one channel and one sequence; they never write
/// at the same time, because the runner waits while a case runs.
#[derive(Clone, Copy, Debug)]
pub struct Channel {
    port: SerialPort,
    seq: &'static AtomicU64,
}

impl Channel {
    /// Opens the channel.
    ///
    /// # Errors
    /// The errno of claiming the port or of mapping the shared counter.
    pub fn open() -> Result<Self, Errno> {
        Ok(Channel { port: SerialPort::open(PORT)?, seq: memory::shared_counter()? })
    }

    /// Sends one record.
    pub fn send(&self, record: Record) {
        let line = Line { seq: self.seq.fetch_add(1, Ordering::Relaxed), record };
        let mut text = serde_json::to_string(&line).unwrap_or_else(|error| format!("{{\"unencodable\":\"{error}\"}}"));
        text.push('\n');
        self.port.write(text.as_bytes());
    }

    /// Sends what was noticed in the kernel log.
    pub fn complaints(&self, noticed: &[Noticed]) {
        for Noticed { number, us, line, .. } in noticed {
            self.send(Record::Complaint { number: *number, us: *us, line: line.clone() });
        }
    }

    /// Ends what a process may have left of a record when it was killed, and says so.
    pub fn mend(&self) {
        self.port.write(&[TORN, b'\n']);
    }

    /// Writes bytes that are no record: for proving that the host notices.
    pub(crate) fn raw(&self, bytes: &[u8]) {
        self.port.write(bytes);
    }

    /// Waits until the host has taken every byte.
    pub fn drain(&self) {
        self.port.drain();
    }
}
