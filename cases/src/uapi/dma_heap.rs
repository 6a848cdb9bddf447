//! include/uapi/linux/dma-heap.h.

use std::os::fd::{BorrowedFd, OwnedFd};

use nix::errno::Errno;

use super::{IOC_READ, IOC_WRITE, ioc, ioctl_struct, own};

#[repr(C)]
struct Allocation {
    len: u64,
    fd: u32,
    fd_flags: u32,
    heap_flags: u64,
}

const ALLOC: u32 = ioc(IOC_READ | IOC_WRITE, b'H', 0, size_of::<Allocation>());

/// `DMA_HEAP_IOCTL_ALLOC`. The heap accepts any access mode in `fd_flags`, also `O_WRONLY` and 3.
///
/// # Errors
/// The errno of the call.
pub fn allocate(heap: BorrowedFd<'_>, len: u64, fd_flags: u32) -> Result<OwnedFd, Errno> {
    let mut argument = Allocation { len, fd: 0, fd_flags, heap_flags: 0 };
    ioctl_struct(heap, ALLOC, &mut argument)?;
    Ok(own(argument.fd as i32))
}
