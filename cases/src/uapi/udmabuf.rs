//! include/uapi/linux/udmabuf.h.

use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};

use nix::errno::Errno;

use super::{IOC_WRITE, ioc, ioctl_raw, ioctl_struct, own};

/// `UDMABUF_FLAGS_CLOEXEC`, the only flag.
pub const FLAGS_CLOEXEC: u32 = 1;

#[repr(C)]
struct Create {
    memfd: u32,
    flags: u32,
    offset: u64,
    size: u64,
}

/// Bytes of `struct udmabuf_create`.
pub const CREATE_SIZE: usize = size_of::<Create>();
/// The number of `UDMABUF_CREATE`.
pub const CREATE: u32 = ioc(IOC_WRITE, b'u', 0x42, CREATE_SIZE);
/// The number of `UDMABUF_CREATE_LIST`. Its size is that of the head; the items follow.
pub const CREATE_LIST: u32 = ioc(IOC_WRITE, b'u', 0x43, 8);

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

/// The same with any values, for calls that have to fail.
#[derive(Clone, Copy, Debug)]
pub struct RawRange {
    /// A number that need not be open.
    pub memfd: RawFd,
    /// First byte.
    pub offset: u64,
    /// Bytes.
    pub size: u64,
}

impl From<MemfdRange<'_>> for RawRange {
    fn from(range: MemfdRange<'_>) -> Self {
        RawRange { memfd: range.memfd.as_raw_fd(), offset: range.offset, size: range.size }
    }
}

/// `UDMABUF_CREATE`, close-on-exec.
///
/// # Errors
/// The errno of the call.
pub fn create(device: BorrowedFd<'_>, range: MemfdRange<'_>) -> Result<OwnedFd, Errno> {
    create_with(device, range.into(), FLAGS_CLOEXEC)
}

/// `UDMABUF_CREATE` with any flags and values.
///
/// # Errors
/// The errno of the call.
pub fn create_with(device: BorrowedFd<'_>, range: RawRange, flags: u32) -> Result<OwnedFd, Errno> {
    let mut argument = Create { memfd: range.memfd as u32, flags, offset: range.offset, size: range.size };
    ioctl_struct(device, CREATE, &mut argument).map(own)
}

/// `UDMABUF_CREATE_LIST`, close-on-exec.
///
/// # Errors
/// The errno of the call.
pub fn create_list(device: BorrowedFd<'_>, ranges: &[MemfdRange<'_>]) -> Result<OwnedFd, Errno> {
    let ranges: Vec<RawRange> = ranges.iter().map(|range| RawRange::from(*range)).collect();
    create_list_with(device, &ranges, FLAGS_CLOEXEC)
}

/// `UDMABUF_CREATE_LIST` with any flags and values.
///
/// # Errors
/// The errno of the call.
pub fn create_list_with(device: BorrowedFd<'_>, ranges: &[RawRange], flags: u32) -> Result<OwnedFd, Errno> {
    let argument = encode_list(flags, ranges.len() as u32, ranges);
    ioctl_raw(device.as_raw_fd(), CREATE_LIST, argument.as_ptr() as usize).map(own)
}

/// `struct udmabuf_create` in memory.
pub fn encode(flags: u32, range: RawRange) -> Vec<u64> {
    vec![u64::from(range.memfd as u32) | u64::from(flags) << 32, range.offset, range.size]
}

/// `struct udmabuf_create_list` in memory: the head with any `count`, and the items that are there.
pub fn encode_list(flags: u32, count: u32, ranges: &[RawRange]) -> Vec<u64> {
    let pair = |low: u32, high: u32| u64::from(low) | u64::from(high) << 32;
    let items = ranges.iter().flat_map(|range| [pair(range.memfd as u32, 0), range.offset, range.size]);
    std::iter::once(pair(flags, count)).chain(items).collect()
}
