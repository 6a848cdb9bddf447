//! The kernel log as the guest sees it: the runner writes marks to it, and runner and cases detect complaints of the
//! kernel.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::time::Duration;

use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::complaint::{Kind, kind_of};

/// Maximum number of complaints returned by one read, so that a kernel that complains in a loop does not fill the
/// channel.
const MOST: usize = 8;
/// Lines are cut to this length; the console has all of it.
const LONGEST: usize = 200;

/// A line that starts a complaint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComplaintLine {
    /// Its number in the log.
    pub number: u64,
    /// Its time stamp in microseconds, the same as on the console. Lines of one report may share it: the clock
    /// of an emulated guest has a resolution of 10 ms.
    pub us: u64,
    /// What it is about.
    pub kind: Kind,
    /// The line.
    pub line: String,
}

/// An open `/dev/kmsg`, with a position of its own.
#[derive(Debug)]
pub struct KernelLog {
    device: File,
}

impl KernelLog {
    /// Opens the log at its end.
    ///
    /// # Errors
    /// The error of open(2) or lseek(2).
    pub fn open() -> std::io::Result<Self> {
        let device = OpenOptions::new().read(true).write(true).custom_flags(libc::O_NONBLOCK).open("/dev/kmsg")?;
        nix::unistd::lseek(&device, 0, nix::unistd::Whence::SeekEnd)?;
        Ok(KernelLog { device })
    }

    /// The same open device, with its position moved to the end of the log: cheaper than opening it again.
    ///
    /// # Errors
    /// The error of fcntl(2) or lseek(2).
    pub fn at_end(&self) -> std::io::Result<Self> {
        let device = self.device.try_clone()?;
        nix::unistd::lseek(&device, 0, nix::unistd::Whence::SeekEnd)?;
        Ok(KernelLog { device })
    }

    /// Writes a mark, which the console shows.
    pub fn mark(&self, text: &str) {
        // Priority notice (5), facility user (1).
        let _ = (&self.device).write(format!("<13>{text}\n").as_bytes());
    }

    /// The next line that the kernel wrote. None if there is none within `limit`.
    ///
    /// # Errors
    /// The error of poll(2) or read(2); `EPIPE` when lines were overwritten.
    pub fn next_line(&mut self, limit: Duration) -> std::io::Result<Option<String>> {
        let mut record = [0u8; 8192];
        loop {
            match self.device.read(&mut record) {
                Ok(len) => {
                    if let Some(line) = kernel_line(&String::from_utf8_lossy(&record[..len])) {
                        return Ok(Some(line.to_string()));
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    let timeout = PollTimeout::try_from(limit).unwrap_or(PollTimeout::MAX);
                    if poll(&mut [PollFd::new(self.device.as_fd(), PollFlags::POLLIN)], timeout)? == 0 {
                        return Ok(None);
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Reads every record since the last call and returns those that start a complaint. One system call when
    /// there is no new record.
    pub fn complaints(&mut self) -> Vec<ComplaintLine> {
        let mut noticed = Vec::new();
        let mut record = [0u8; 8192];
        loop {
            // One read returns one record; EAGAIN is the end, EPIPE means that records were overwritten.
            match self.device.read(&mut record) {
                Ok(0) => return noticed,
                Ok(len) => noticed.extend(parse(&String::from_utf8_lossy(&record[..len]))),
                Err(error) if error.raw_os_error() == Some(libc::EPIPE) => {
                    let line = "the kernel log overflowed while the case ran".to_string();
                    noticed.push(ComplaintLine { number: u64::MAX, us: 0, kind: Kind::LogOverflow, line });
                }
                Err(error) if error.raw_os_error() == Some(libc::EINTR) => {}
                Err(_) => return noticed,
            }
            noticed.truncate(MOST);
        }
    }
}

/// A record of `/dev/kmsg`, as Documentation/ABI/testing/dev-kmsg has it:
/// `priority,sequence,microseconds,flags[,..];text` and then lines of properties. The priority contains the facility,
/// which is 0 for the kernel: a line written by a program is never a complaint, whatever its text.
fn parse(record: &str) -> Option<ComplaintLine> {
    let line = kernel_line(record)?;
    let mut fields = record.split(',').skip(1);
    let number = fields.next()?.parse().ok()?;
    let us = fields.next()?.parse().ok()?;
    Some(ComplaintLine { number, us, kind: kind_of(line)?, line: line.chars().take(LONGEST).collect() })
}

/// The line of a record, if the kernel wrote it.
fn kernel_line(record: &str) -> Option<&str> {
    let (prefix, text) = record.split_once(';')?;
    let priority: u32 = prefix.split(',').next()?.parse().ok()?;
    text.lines().next().filter(|_| priority >> 3 == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_of_the_kernel_is_noticed_with_its_stamp() {
        let record = "4,339,2300001,-,caller=T64;refcount_t: underflow; use-after-free.\n SUBSYSTEM=x\n";
        let line = "refcount_t: underflow; use-after-free.".to_string();
        assert_eq!(parse(record), Some(ComplaintLine { number: 339, us: 2_300_001, kind: Kind::Refcount, line }));
    }

    #[test]
    fn a_program_cannot_complain() {
        assert_eq!(parse("12,339,2300001,-;BUG: KASAN: said a program\n"), None);
        assert_eq!(parse("6,1,5,-;random: crng init done\n"), None);
        assert_eq!(parse("no record"), None);
    }
}
