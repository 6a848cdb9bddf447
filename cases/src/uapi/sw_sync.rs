//! Fences that user space creates and signals: drivers/dma-buf/sw_sync.c, debugfs `sync/sw_sync`.

use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;

use super::{IOC_READ, IOC_WRITE, ioc, ioctl_raw, ioctl_struct, own};

#[repr(C)]
struct CreateFence {
    value: u32,
    name: [u8; 32],
    fence: i32,
}

#[repr(C)]
struct GetDeadline {
    deadline_ns: u64,
    pad: u32,
    fence_fd: i32,
}

/// `SW_SYNC_IOC_CREATE_FENCE`. The kernel reads and writes the structure.
pub const CREATE_FENCE: u32 = ioc(IOC_READ | IOC_WRITE, b'W', 0, size_of::<CreateFence>());
/// `SW_SYNC_IOC_INC`. The kernel reads a number of 32 bits.
pub const INC: u32 = ioc(IOC_WRITE, b'W', 1, 4);
/// `SW_SYNC_GET_DEADLINE`, since Linux 6.4. The kernel reads and writes the structure.
pub const GET_DEADLINE: u32 = ioc(IOC_READ | IOC_WRITE, b'W', 2, size_of::<GetDeadline>());

/// Creates a sync_file whose fence signals once the timeline has reached `value`.
///
/// # Errors
/// The errno of the call.
pub fn create_fence(timeline: BorrowedFd<'_>, value: u32, name: &str) -> Result<OwnedFd, Errno> {
    let mut argument = CreateFence { value, name: [0; 32], fence: -1 };
    for (slot, byte) in argument.name.iter_mut().take(31).zip(name.bytes()) {
        *slot = byte;
    }
    ioctl_struct(timeline, CREATE_FENCE, &mut argument)?;
    Ok(own(argument.fence))
}

/// Advances the timeline and signals every fence it passes.
///
/// # Errors
/// The errno of the call.
pub fn advance(timeline: BorrowedFd<'_>, by: u32) -> Result<(), Errno> {
    ioctl_raw(timeline.as_raw_fd(), INC, std::ptr::from_ref(&by) as usize).map(drop)
}

/// The deadline of a fence, in nanoseconds of the monotonic clock. `deadline_ns` and `pad` go in as they are and have
/// to be 0.
///
/// # Errors
/// The errno of the call; `ENOENT` for a fence without a deadline.
pub fn deadline(timeline: BorrowedFd<'_>, fence: BorrowedFd<'_>, deadline_ns: u64, pad: u32) -> Result<u64, Errno> {
    let mut argument = GetDeadline { deadline_ns, pad, fence_fd: fence.as_raw_fd() };
    ioctl_struct(timeline, GET_DEADLINE, &mut argument)?;
    Ok(argument.deadline_ns)
}
