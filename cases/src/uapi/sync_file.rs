//! include/uapi/linux/sync_file.h: information about the fences of a sync_file.

use std::os::fd::BorrowedFd;

use nix::errno::Errno;

use super::{IOC_READ, IOC_WRITE, ioc, ioctl_struct};

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

const FILE_INFO: u32 = ioc(IOC_READ | IOC_WRITE, b'>', 4, size_of::<RawInfo>());

/// One fence of a sync_file (drivers/dma-buf/sync_file.c, sync_fill_fence_info).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FenceInfo {
    /// Name of the timeline.
    pub timeline: String,
    /// Name of the driver.
    pub driver: String,
    /// 0 while pending, 1 once signalled, a negative errno for a fence with an error.
    pub status: i32,
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

fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

/// `SYNC_IOC_FILE_INFO`, for up to 64 fences.
///
/// # Errors
/// The errno of the call; `EINVAL` from the kernel when there are more fences than room.
pub fn info(fd: BorrowedFd<'_>) -> Result<SyncFileInfo, Errno> {
    let empty = RawFence { obj_name: [0; 32], driver_name: [0; 32], status: 0, flags: 0, timestamp_ns: 0 };
    let mut fences = vec![empty; 64];
    let mut raw = RawInfo {
        name: [0; 32],
        status: 0,
        flags: 0,
        num_fences: fences.len() as u32,
        pad: 0,
        sync_fence_info: fences.as_mut_ptr() as u64,
    };
    ioctl_struct(fd, FILE_INFO, &mut raw)?;
    let fences = fences
        .iter()
        .take(raw.num_fences as usize)
        .map(|fence| FenceInfo {
            timeline: text(&fence.obj_name),
            driver: text(&fence.driver_name),
            status: fence.status,
        })
        .collect();
    Ok(SyncFileInfo { name: text(&raw.name), status: raw.status, fences })
}
