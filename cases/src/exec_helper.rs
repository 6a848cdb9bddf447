//! What this program does when a case executes it as a helper program.

use std::ffi::CString;
use std::os::fd::{BorrowedFd, RawFd};

use nix::errno::Errno;
use nix::libc;
use nix::unistd::execv;

use crate::uapi::memory::{self, PAGE};
use crate::uapi::{borrow_number, fcntl};

/// Checks the descriptor numbers in the arguments. The exit status has bit n set when the n-th of them is open and can
/// be mapped for reading, as a dma-buf can; [`NOT_A_BUFFER`] when one of them is open and cannot be mapped.
pub const PROBE_FD: &str = "--probe-fd";
/// Exit status: an open descriptor is not a dma-buf.
pub const NOT_A_BUFFER: i32 = 0x40;
/// Exit status: invalid arguments.
const USAGE: i32 = 0x41;

/// Runs the helper mode in the arguments and returns the exit status; None when they select no helper mode.
pub fn run(arguments: impl IntoIterator<Item = String>) -> Option<i32> {
    let mut arguments = arguments.into_iter().skip(1);
    match arguments.next()?.as_str() {
        PROBE_FD => Some(probe(arguments)),
        _ => None,
    }
}

/// Executes this program as a helper that checks these numbers, as [`PROBE_FD`] says. Returns only if that fails.
pub fn exec_probe(numbers: impl IntoIterator<Item = RawFd>) {
    let words = ["cases".to_string(), PROBE_FD.to_string()];
    let words = words.into_iter().chain(numbers.into_iter().map(|number| number.to_string()));
    if let Ok(arguments) = words.map(CString::new).collect::<Result<Vec<_>, _>>() {
        let _ = execv(c"/proc/self/exe", &arguments);
    }
}

fn probe(numbers: impl Iterator<Item = String>) -> i32 {
    let mut open = 0;
    for (index, number) in numbers.enumerate() {
        let Ok(number) = number.parse() else { return USAGE };
        match fcntl(number, libc::F_GETFD, 0) {
            Err(Errno::EBADF) => {}
            Ok(_) if shows_memory(borrow_number(number)) => open |= 1 << index,
            _ => return NOT_A_BUFFER,
        }
    }
    open
}

fn shows_memory(fd: BorrowedFd<'_>) -> bool {
    memory::map(fd, PAGE, libc::PROT_READ, libc::MAP_SHARED, 0).is_ok()
}
