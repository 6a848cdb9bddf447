//! include/uapi/linux/sync_file.h: information about the fences of a sync_file, merging, deadlines.

use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};

use nix::errno::Errno;

use super::{IOC_READ, IOC_WRITE, ioc, ioctl_struct, own};

#[repr(C)]
#[derive(Clone, Copy)]
struct RawFence {
    obj_name: [u8; 32],
    driver_name: [u8; 32],
    status: i32,
    flags: u32,
    timestamp_ns: u64,
}

#[repr(C)]
struct RawInfo {
    name: [u8; 32],
    status: i32,
    flags: u32,
    num_fences: u32,
    pad: u32,
    sync_fence_info: u64,
}

#[repr(C)]
struct RawMerge {
    name: [u8; 32],
    fd2: i32,
    fence: i32,
    flags: u32,
    pad: u32,
}

#[repr(C)]
struct RawDeadline {
    deadline_ns: u64,
    pad: u64,
}

/// `SYNC_IOC_MERGE`. The kernel reads and writes the structure.
pub const MERGE: u32 = ioc(IOC_READ | IOC_WRITE, b'>', 3, size_of::<RawMerge>());
/// `SYNC_IOC_FILE_INFO`. The kernel reads and writes the structure.
pub const FILE_INFO: u32 = ioc(IOC_READ | IOC_WRITE, b'>', 4, size_of::<RawInfo>());
/// `SYNC_IOC_SET_DEADLINE`, since Linux 6.4. The kernel reads the structure.
pub const SET_DEADLINE: u32 = ioc(IOC_WRITE, b'>', 5, size_of::<RawDeadline>());

/// One fence of a sync_file (drivers/dma-buf/sync_file.c, sync_fill_fence_info).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FenceInfo {
    /// Name of the timeline. Recent kernels have another text there once the fence is signalled.
    pub timeline: String,
    /// Name of the driver. As with the timeline.
    pub driver: String,
    /// 0 while pending, 1 once signalled, a negative errno for a fence with an error.
    pub status: i32,
    /// When it signalled, in nanoseconds of the monotonic clock; 0 while pending.
    pub timestamp_ns: u64,
}

/// Information about a sync_file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncFileInfo {
    /// The sync_file's name; for a single fence it contains driver, timeline, context and seqno
    /// (sync_file_get_name).
    pub name: String,
    /// As in [`FenceInfo::status`], over all fences.
    pub status: i32,
    /// The fences.
    pub fences: Vec<FenceInfo>,
}

/// What the caller of `SYNC_IOC_FILE_INFO` passes in.
#[derive(Clone, Copy, Debug, Default)]
pub struct InfoArgs {
    /// Has to be 0.
    pub flags: u32,
    /// For how many fences there is room; 0 to ask only for their number. At most [`ROOM`].
    pub num_fences: u32,
    /// Has to be 0.
    pub pad: u32,
    /// An address for the fences instead of memory that can be written.
    pub fences_at: Option<usize>,
}

/// What the caller of `SYNC_IOC_MERGE` passes in.
#[derive(Clone, Copy, Debug)]
pub struct MergeArgs<'a> {
    /// Name of the new sync_file; the kernel keeps 31 bytes.
    pub name: &'a [u8],
    /// The other sync_file.
    pub fd2: RawFd,
    /// Has to be 0.
    pub flags: u32,
    /// Has to be 0.
    pub pad: u32,
}

/// The most fences that [`info`] has room for.
pub const ROOM: u32 = 64;

fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

fn name(bytes: &[u8]) -> [u8; 32] {
    let mut name = [0; 32];
    for (slot, byte) in name.iter_mut().zip(bytes) {
        *slot = *byte;
    }
    name
}

/// `SYNC_IOC_FILE_INFO`, for up to [`ROOM`] fences.
///
/// # Errors
/// The errno of the call; `EINVAL` from the kernel when there are more fences than room.
pub fn info(fd: BorrowedFd<'_>) -> Result<SyncFileInfo, Errno> {
    info_with(fd, InfoArgs { num_fences: ROOM, ..InfoArgs::default() }).map(|(info, _)| info)
}

/// `SYNC_IOC_FILE_INFO` with these arguments: the information, without fences if there was no room, and the number of
/// fences.
///
/// # Errors
/// The errno of the call.
pub fn info_with(fd: BorrowedFd<'_>, args: InfoArgs) -> Result<(SyncFileInfo, u32), Errno> {
    assert!(args.num_fences <= ROOM);
    let empty = RawFence { obj_name: [0; 32], driver_name: [0; 32], status: 0, flags: 0, timestamp_ns: 0 };
    let mut fences = vec![empty; ROOM as usize];
    let mut raw = RawInfo {
        name: [0; 32],
        status: 0,
        flags: args.flags,
        num_fences: args.num_fences,
        pad: args.pad,
        sync_fence_info: args.fences_at.unwrap_or(fences.as_mut_ptr() as usize) as u64,
    };
    ioctl_struct(fd, FILE_INFO, &mut raw)?;
    let shown = raw.num_fences.min(args.num_fences) as usize;
    let fences = fences
        .iter()
        .take(shown)
        .map(|fence| FenceInfo {
            timeline: text(&fence.obj_name),
            driver: text(&fence.driver_name),
            status: fence.status,
            timestamp_ns: fence.timestamp_ns,
        })
        .collect();
    Ok((SyncFileInfo { name: text(&raw.name), status: raw.status, fences }, raw.num_fences))
}

/// `SYNC_IOC_MERGE`: a new sync_file with the fences of both.
///
/// # Errors
/// The errno of the call.
pub fn merge(fd: BorrowedFd<'_>, other: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    merge_with(fd, MergeArgs { name: b"merged", fd2: other.as_raw_fd(), flags: 0, pad: 0 })
}

/// `SYNC_IOC_MERGE` with these arguments.
///
/// # Errors
/// The errno of the call.
pub fn merge_with(fd: BorrowedFd<'_>, args: MergeArgs<'_>) -> Result<OwnedFd, Errno> {
    let mut raw = RawMerge { name: name(args.name), fd2: args.fd2, fence: -1, flags: args.flags, pad: args.pad };
    ioctl_struct(fd, MERGE, &mut raw)?;
    Ok(own(raw.fence))
}

/// The bytes of a valid argument of `SYNC_IOC_MERGE`.
pub fn merge_bytes(other: BorrowedFd<'_>) -> Vec<u8> {
    let mut bytes = name(b"merged").to_vec();
    bytes.extend(other.as_raw_fd().to_le_bytes());
    bytes.extend((-1_i32).to_le_bytes());
    bytes.extend([0; 8]);
    bytes
}

/// `SYNC_IOC_SET_DEADLINE`: by when somebody needs the fence, in nanoseconds of the monotonic clock. `pad` has to be 0.
///
/// # Errors
/// The errno of the call.
pub fn set_deadline(fd: BorrowedFd<'_>, deadline_ns: u64, pad: u64) -> Result<(), Errno> {
    ioctl_struct(fd, SET_DEADLINE, &mut RawDeadline { deadline_ns, pad }).map(drop)
}
