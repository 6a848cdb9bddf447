//! `/dev/dmabuf-conformance-edu`, a PCI card that reads and writes dma-bufs by DMA. Source of every fact and errno:
//! `cases/kernel/edu/dmabuf_conformance_edu.h`.

use std::os::fd::{AsRawFd, BorrowedFd};

use nix::errno::Errno;

use super::importer::Direction;
use super::{IOC_WRITE, ioc, ioctl_struct};

/// Path of the device.
pub const DEVICE: &str = "/dev/dmabuf-conformance-edu";

#[repr(C)]
struct Attach {
    fd: i32,
    direction: u32,
}

#[repr(C)]
struct Copy {
    data: u64,
}

const ATTACH: u32 = ioc(IOC_WRITE, 0xdc, 0x40, size_of::<Attach>());
const COPY: u32 = ioc(IOC_WRITE, 0xdc, 0x41, size_of::<Copy>());
const DETACH: u32 = ioc(0, 0xdc, 0x42, 0);

/// Imports a buffer and maps it for the card.
///
/// # Errors
/// The errno of the call; nothing is left then.
pub fn attach(card: BorrowedFd<'_>, dma_buf: BorrowedFd<'_>, direction: Direction) -> Result<(), Errno> {
    let mut argument = Attach { fd: dma_buf.as_raw_fd(), direction: direction as u32 };
    ioctl_struct(card, ATTACH, &mut argument).map(drop)
}

/// Lets the card write `data` to the buffer, or read the buffer to `data`, as it was attached. `data` has the buffer's size.
///
/// # Errors
/// The errno of the call.
pub fn copy(card: BorrowedFd<'_>, data: &mut [u8]) -> Result<(), Errno> {
    ioctl_struct(card, COPY, &mut Copy { data: data.as_mut_ptr() as u64 }).map(drop)
}

/// Unmaps, detaches and puts the buffer.
///
/// # Errors
/// The errno of the call.
pub fn detach(card: BorrowedFd<'_>) -> Result<(), Errno> {
    ioctl_struct(card, DETACH, &mut 0_u32).map(drop)
}
