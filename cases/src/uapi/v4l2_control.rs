//! Controls of V4L2 devices: the uapi of linux/v4l2-controls.h, and what vivid adds to it.

use std::os::fd::BorrowedFd;

use nix::errno::Errno;

use crate::uapi::{IOC_READ, IOC_WRITE, ioc, ioctl_struct};

/// Lets the next start of a stream fail (`VIVID_CID_START_STR_ERROR`, drivers/media/test-drivers/vivid/vivid-ctrls.c).
pub const FAIL_NEXT_START: u32 = 0x00f0_f000 + 69;

/// `struct v4l2_control`.
#[repr(C)]
#[derive(Clone, Copy)]
struct Control {
    id: u32,
    value: i32,
}

const S_CTRL: u32 = ioc(IOC_READ | IOC_WRITE, b'V', 28, size_of::<Control>());

/// `VIDIOC_S_CTRL` of a control that is a button.
///
/// # Errors
/// The errno of the ioctl; `EINVAL` when the device has no such control.
pub fn press(device: BorrowedFd<'_>, id: u32) -> Result<(), Errno> {
    ioctl_struct(device, S_CTRL, &mut Control { id, value: 1 }).map(drop)
}
