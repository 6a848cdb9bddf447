//! include/uapi/linux/udmabuf.h.

use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;

use super::{IOC_WRITE, ioc, ioctl_raw, ioctl_struct, own};

const FLAGS_CLOEXEC: u32 = 1;

#[repr(C)]
struct Create {
    memfd: u32,
    flags: u32,
    offset: u64,
    size: u64,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct ListItem {
    memfd: u32,
    pad: u32,
    offset: u64,
    size: u64,
}

const MAX_ITEMS: usize = 8;

#[repr(C)]
struct CreateList {
    flags: u32,
    count: u32,
    list: [ListItem; MAX_ITEMS],
}

const CREATE: u32 = ioc(IOC_WRITE, b'u', 0x42, size_of::<Create>());
const CREATE_LIST: u32 = ioc(IOC_WRITE, b'u', 0x43, 8);

/// One memfd and the range of it, in bytes, that becomes part of the buffer. Both ends are page aligned.
#[derive(Clone, Copy, Debug)]
pub struct MemfdRange<'a> {
    /// The memfd, sealed against shrinking.
    pub memfd: BorrowedFd<'a>,
    /// First byte.
    pub offset: u64,
    /// Bytes.
    pub size: u64,
}

/// `UDMABUF_CREATE`.
///
/// # Errors
/// The errno of the call.
pub fn create(device: BorrowedFd<'_>, range: MemfdRange<'_>) -> Result<OwnedFd, Errno> {
    let mut argument =
        Create { memfd: range.memfd.as_raw_fd() as u32, flags: FLAGS_CLOEXEC, offset: range.offset, size: range.size };
    ioctl_struct(device, CREATE, &mut argument).map(own)
}

/// `UDMABUF_CREATE_LIST` over up to eight ranges.
///
/// # Errors
/// The errno of the call; `E2BIG` for more than eight ranges.
pub fn create_list(device: BorrowedFd<'_>, ranges: &[MemfdRange<'_>]) -> Result<OwnedFd, Errno> {
    if ranges.len() > MAX_ITEMS {
        return Err(Errno::E2BIG);
    }
    let mut list = [ListItem { memfd: 0, pad: 0, offset: 0, size: 0 }; MAX_ITEMS];
    for (item, range) in list.iter_mut().zip(ranges) {
        *item = ListItem { memfd: range.memfd.as_raw_fd() as u32, pad: 0, offset: range.offset, size: range.size };
    }
    let argument = CreateList { flags: FLAGS_CLOEXEC, count: ranges.len() as u32, list };
    ioctl_raw(device.as_raw_fd(), CREATE_LIST, std::ptr::from_ref(&argument) as usize).map(own)
}
