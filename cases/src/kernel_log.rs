//! The kernel's log as the guest sees it: the runner writes marks into it, and runner and cases notice when the kernel
//! complains.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;

use nix::libc;

use crate::complaint::{Kind, kind_of};

/// Complaints that one look gives back at most. A kernel that complains in a loop is not to fill the channel.
const MOST: usize = 8;
/// A line is cut here; the console has all of it.
const LONGEST: usize = 200;

/// A line that starts a complaint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Noticed {
    /// Its number in the log.
    pub number: u64,
    /// Its time stamp in microseconds, the very one that the console shows. Lines of one report may share it: the clock
    /// of an emulated guest has ticks of 10 ms.
    pub us: u64,
    /// What it is about.
    pub kind: Kind,
    /// The line.
    pub line: String,
}

/// An open `/dev/kmsg`. Each has a position of its own, so that a case that dies with lines read and not reported keeps
/// nothing from the runner.
#[derive(Debug)]
pub struct KernelLog {
    device: File,
}

impl KernelLog {
    /// Opens the log behind its last record.
    ///
    /// # Errors
    /// What open(2) or lseek(2) answers.
    pub fn open() -> std::io::Result<Self> {
        let device = OpenOptions::new().read(true).write(true).custom_flags(libc::O_NONBLOCK).open("/dev/kmsg")?;
        nix::unistd::lseek(&device, 0, nix::unistd::Whence::SeekEnd)?;
        Ok(KernelLog { device })
    }

    /// Writes a mark that the console will show.
    pub fn mark(&self, text: &str) {
        // A notice (5) of facility 1, user level.
        let _ = (&self.device).write(format!("<13>{text}\n").as_bytes());
    }

    /// Reads every record since the last call and gives back those that start a complaint. Costs one system call where
    /// there is none.
    pub fn complaints(&mut self) -> Vec<Noticed> {
        let mut noticed = Vec::new();
        let mut record = [0u8; 8192];
        loop {
            // One read gives one record; EAGAIN is the end, EPIPE says that records were overwritten meanwhile.
            match self.device.read(&mut record) {
                Ok(0) => return noticed,
                Ok(len) => noticed.extend(parse(&String::from_utf8_lossy(&record[..len]))),
                Err(error) if error.raw_os_error() == Some(libc::EPIPE) => {
                    let line = "the kernel log overflowed while the case ran".to_string();
                    noticed.push(Noticed { number: u64::MAX, us: 0, kind: Kind::LogOverflow, line });
                }
                Err(error) if error.raw_os_error() == Some(libc::EINTR) => {}
                Err(_) => return noticed,
            }
            noticed.truncate(MOST);
        }
    }
}

/// A record of `/dev/kmsg`, as Documentation/ABI/testing/dev-kmsg has it: `priority,sequence,microseconds,flags[,..];text`
/// and then lines of properties. The priority holds the facility, and that of the kernel is 0: what a program writes is
/// never a complaint, however it looks.
fn parse(record: &str) -> Option<Noticed> {
    let (prefix, text) = record.split_once(';')?;
    let mut fields = prefix.split(',');
    let priority: u32 = fields.next()?.parse().ok()?;
    let number = fields.next()?.parse().ok()?;
    let us = fields.next()?.parse().ok()?;
    let line = text.lines().next()?;
    let kind = kind_of(line).filter(|_| priority >> 3 == 0)?;
    Some(Noticed { number, us, kind, line: line.chars().take(LONGEST).collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_of_the_kernel_is_noticed_with_its_stamp() {
        let record = "4,339,2300001,-,caller=T64;refcount_t: underflow; use-after-free.\n SUBSYSTEM=x\n";
        let line = "refcount_t: underflow; use-after-free.".to_string();
        assert_eq!(parse(record), Some(Noticed { number: 339, us: 2_300_001, kind: Kind::Refcount, line }));
    }

    #[test]
    fn a_program_cannot_complain() {
        assert_eq!(parse("12,339,2300001,-;BUG: KASAN: said a program\n"), None);
        assert_eq!(parse("6,1,5,-;random: crng init done\n"), None);
        assert_eq!(parse("no record"), None);
    }
}
