//! include/uapi/linux/dma-buf.h.

use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicU32, Ordering};

use nix::errno::Errno;

use super::{IOC_READ, IOC_WRITE, ioc, ioctl_raw, ioctl_struct, own};

/// `DMA_BUF_IOCTL_DERIVE` as the proposal gives it: `_IOWR('b', 4, struct dma_buf_derive)`.
pub const DERIVE: u32 = ioc(IOC_READ | IOC_WRITE, b'b', 4, size_of::<Derive>());
const SYNC: u32 = ioc(IOC_WRITE, b'b', 0, 8);
const SET_NAME_B: u32 = ioc(IOC_WRITE, b'b', 1, 8);
const EXPORT_SYNC_FILE: u32 = ioc(IOC_READ | IOC_WRITE, b'b', 2, 8);
const IMPORT_SYNC_FILE: u32 = ioc(IOC_WRITE, b'b', 3, 8);

/// The number that derive calls use. A series may give the ioctl another number than the proposal; then its own header,
/// as the test importer reports it, decides how it is called, and UAPI-1 alone judges the number.
static DERIVE_REQUEST: AtomicU32 = AtomicU32::new(DERIVE);

/// Uses the number of the patched tree's header from now on.
pub fn set_derive_request(request: u32) {
    DERIVE_REQUEST.store(request, Ordering::Relaxed);
}

/// The number in use.
pub fn derive_request() -> u32 {
    DERIVE_REQUEST.load(Ordering::Relaxed)
}

/// `struct dma_buf_derive`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Derive {
    /// Access mode, optionally with `O_CLOEXEC`.
    pub flags: u32,
    /// The new descriptor.
    pub fd: i32,
}

/// What `fd` holds before the call, so that an untouched field can be told from a written one.
pub const POISON: i32 = -0x5eed;

/// Derives and returns the new descriptor.
///
/// # Errors
/// The errno of the call.
pub fn derive(fd: BorrowedFd<'_>, flags: u32) -> Result<OwnedFd, Errno> {
    let mut argument = Derive { flags, fd: POISON };
    derive_with(fd.as_raw_fd(), &mut argument)?;
    Ok(own(argument.fd))
}

/// Derives with the caller's own structure and leaves the result in it.
///
/// # Errors
/// The errno of the call.
pub fn derive_with(fd: RawFd, argument: &mut Derive) -> Result<i32, Errno> {
    ioctl_raw(fd, derive_request(), std::ptr::from_mut(argument) as usize)
}

/// Takes over the number that a derive has left in its structure.
pub fn take_derived(argument: &Derive) -> OwnedFd {
    own(argument.fd)
}

/// Direction of a CPU access or of a fence: `DMA_BUF_SYNC_READ` and `DMA_BUF_SYNC_WRITE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Reading.
    Read,
    /// Writing.
    Write,
    /// Both.
    ReadWrite,
}

impl Way {
    fn bits(self) -> u32 {
        match self {
            Way::Read => 1,
            Way::Write => 2,
            Way::ReadWrite => 3,
        }
    }
}

/// `DMA_BUF_IOCTL_SYNC`, the start of a CPU access.
///
/// # Errors
/// The errno of the call.
pub fn begin_cpu_access(fd: BorrowedFd<'_>, way: Way) -> Result<(), Errno> {
    ioctl_struct(fd, SYNC, &mut u64::from(way.bits())).map(drop)
}

/// `DMA_BUF_IOCTL_SYNC`, the end of a CPU access.
///
/// # Errors
/// The errno of the call.
pub fn end_cpu_access(fd: BorrowedFd<'_>, way: Way) -> Result<(), Errno> {
    ioctl_struct(fd, SYNC, &mut u64::from(way.bits() | 4)).map(drop)
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
pub fn export_sync_file(fd: BorrowedFd<'_>, way: Way) -> Result<OwnedFd, Errno> {
    let mut argument = SyncFileArgument { flags: way.bits(), fd: POISON };
    ioctl_struct(fd, EXPORT_SYNC_FILE, &mut argument)?;
    Ok(own(argument.fd))
}

/// `DMA_BUF_IOCTL_IMPORT_SYNC_FILE`: adds the fences of a sync_file to the buffer.
///
/// # Errors
/// The errno of the call.
pub fn import_sync_file(fd: BorrowedFd<'_>, way: Way, sync_file: BorrowedFd<'_>) -> Result<(), Errno> {
    let mut argument = SyncFileArgument { flags: way.bits(), fd: sync_file.as_raw_fd() };
    ioctl_struct(fd, IMPORT_SYNC_FILE, &mut argument).map(drop)
}

const _: () = assert!(DERIVE == 0xc008_6204);
