//! System calls as a 32-bit program makes them: not on arm64.
//!
//! Only a process that executes AArch32 code can make them, and such a process has descriptors of its own, because execve(2) ends their
//! sharing. So no function of this program can be such a caller, and cases about one are not planned.

use std::os::fd::RawFd;

use nix::errno::Errno;

/// No kernel of arm64 has this file.
pub const PRESENT: &str = "/proc/sys/abi/vsyscall32";

/// There is none.
///
/// # Errors
/// Always `ENOSYS`.
pub fn ioctl(_fd: RawFd, _request: u32, _address: u32) -> Result<i32, Errno> {
    Err(Errno::ENOSYS)
}
