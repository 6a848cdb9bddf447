//! include/uapi/linux/dma-buf.h.

use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;

pub use super::derive::{DERIVE, DeriveArgs, POISON, derive, derive_request, derive_with, take_derived};
use super::{IOC_READ, IOC_WRITE, ioc, ioctl_raw, ioctl_struct, own};

const SYNC: u32 = ioc(IOC_WRITE, b'b', 0, 8);
const SET_NAME_B: u32 = ioc(IOC_WRITE, b'b', 1, 8);
const EXPORT_SYNC_FILE: u32 = ioc(IOC_READ | IOC_WRITE, b'b', 2, 8);
const IMPORT_SYNC_FILE: u32 = ioc(IOC_WRITE, b'b', 3, 8);

/// The access that SYNC and the sync_file ioctls are about: `DMA_BUF_SYNC_READ` and `DMA_BUF_SYNC_WRITE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncAccess {
    /// Reading.
    Read,
    /// Writing.
    Write,
    /// Both.
    ReadWrite,
}

impl SyncAccess {
    fn bits(self) -> u32 {
        match self {
            SyncAccess::Read => 1,
            SyncAccess::Write => 2,
            SyncAccess::ReadWrite => 3,
        }
    }
}

/// `DMA_BUF_IOCTL_SYNC`, the start of a CPU access.
///
/// # Errors
/// The errno of the call.
pub fn begin_cpu_access(fd: BorrowedFd<'_>, access: SyncAccess) -> Result<(), Errno> {
    ioctl_struct(fd, SYNC, &mut u64::from(access.bits())).map(drop)
}

/// `DMA_BUF_IOCTL_SYNC`, the end of a CPU access.
///
/// # Errors
/// The errno of the call.
pub fn end_cpu_access(fd: BorrowedFd<'_>, access: SyncAccess) -> Result<(), Errno> {
    ioctl_struct(fd, SYNC, &mut u64::from(access.bits() | 4)).map(drop)
}

/// `DMA_BUF_SET_NAME_B`.
///
/// # Errors
/// The errno of the call.
pub fn set_name(fd: BorrowedFd<'_>, name: &std::ffi::CStr) -> Result<(), Errno> {
    ioctl_raw(fd.as_raw_fd(), SET_NAME_B, name.as_ptr() as usize).map(drop)
}

#[repr(C)]
struct SyncFileArgument {
    flags: u32,
    fd: i32,
}

/// `DMA_BUF_IOCTL_EXPORT_SYNC_FILE`: the fences of the buffer as a sync_file.
///
/// # Errors
/// The errno of the call.
pub fn export_sync_file(fd: BorrowedFd<'_>, access: SyncAccess) -> Result<OwnedFd, Errno> {
    let mut argument = SyncFileArgument { flags: access.bits(), fd: POISON };
    ioctl_struct(fd, EXPORT_SYNC_FILE, &mut argument)?;
    Ok(own(argument.fd))
}

/// `DMA_BUF_IOCTL_IMPORT_SYNC_FILE`: adds the fences of a sync_file to the buffer.
///
/// # Errors
/// The errno of the call.
pub fn import_sync_file(fd: BorrowedFd<'_>, access: SyncAccess, sync_file: BorrowedFd<'_>) -> Result<(), Errno> {
    let mut argument = SyncFileArgument { flags: access.bits(), fd: sync_file.as_raw_fd() };
    ioctl_struct(fd, IMPORT_SYNC_FILE, &mut argument).map(drop)
}
