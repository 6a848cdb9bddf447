//! include/uapi/linux/dma-heap.h.

use std::mem::offset_of;
use std::os::fd::{BorrowedFd, OwnedFd};

use nix::errno::Errno;

use super::{IOC_READ, IOC_WRITE, ioc, ioctl_struct, own};

/// `struct dma_heap_allocation_data`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allocation {
    /// Bytes; the heap rounds up to pages.
    pub len: u64,
    /// The new descriptor; 0 before the call.
    pub fd: u32,
    /// Access mode, optionally with `O_CLOEXEC`.
    pub fd_flags: u32,
    /// None are defined.
    pub heap_flags: u64,
}

/// The number of `DMA_HEAP_IOCTL_ALLOC`.
pub const ALLOC: u32 = ioc(IOC_READ | IOC_WRITE, b'H', 0, size_of::<Allocation>());
/// Offset of the descriptor in its structure.
pub(super) const FD_OFFSET: usize = offset_of!(Allocation, fd);

/// `DMA_HEAP_IOCTL_ALLOC`. The heap accepts any access mode in `fd_flags`, also `O_WRONLY` and 3.
///
/// # Errors
/// The errno of the call.
pub fn allocate(heap: BorrowedFd<'_>, len: u64, fd_flags: u32) -> Result<OwnedFd, Errno> {
    allocate_with(heap, Allocation { len, fd_flags, ..Allocation::default() })
}

/// `DMA_HEAP_IOCTL_ALLOC` with any values.
///
/// # Errors
/// The errno of the call.
pub fn allocate_with(heap: BorrowedFd<'_>, mut argument: Allocation) -> Result<OwnedFd, Errno> {
    ioctl_struct(heap, ALLOC, &mut argument)?;
    Ok(own(argument.fd as i32))
}

impl Allocation {
    /// The structure in memory.
    pub fn bytes(&self) -> [u8; size_of::<Allocation>()] {
        let mut bytes = [0; size_of::<Allocation>()];
        bytes[..8].copy_from_slice(&self.len.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.fd.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.fd_flags.to_le_bytes());
        bytes[16..].copy_from_slice(&self.heap_flags.to_le_bytes());
        bytes
    }
}
