//! The part of include/uapi/linux/iio/buffer.h for dma-bufs (Linux 6.10), on the device of `cases/kernel/iio/iio.c`: what is sent through
//! its output buffer is received through its input buffer.

use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;

use super::{IOC_READ, IOC_WRITE, ioc, ioctl_struct, own};

/// The node of the only device.
pub const DEVICE: &str = "/dev/iio:device0";

/// `struct iio_dmabuf`.
#[repr(C)]
struct Transfer {
    fd: u32,
    flags: u32,
    bytes_used: u64,
}

const GET_FD: u32 = ioc(IOC_READ | IOC_WRITE, b'i', 0x91, size_of::<i32>());
const ATTACH: u32 = ioc(IOC_WRITE, b'i', 0x92, size_of::<i32>());
const DETACH: u32 = ioc(IOC_WRITE, b'i', 0x93, size_of::<i32>());
const ENQUEUE: u32 = ioc(IOC_WRITE, b'i', 0x94, size_of::<Transfer>());

/// A buffer of the device, in the words of IIO: a stream of samples in one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SampleStream {
    /// To the device.
    Output = 0,
    /// From the device.
    Input = 1,
}

/// `IIO_BUFFER_GET_FD_IOCTL`: opens a stream, which one process can have at a time.
///
/// # Errors
/// The errno of the call.
pub fn open_stream(device: BorrowedFd<'_>, stream: SampleStream) -> Result<OwnedFd, Errno> {
    let mut argument = stream as i32;
    ioctl_struct(device, GET_FD, &mut argument)?;
    Ok(own(argument))
}

/// `IIO_BUFFER_DMABUF_ATTACH_IOCTL`: imports a buffer and maps it for the device, in the direction of the stream.
///
/// # Errors
/// The errno of the call.
pub fn attach(stream: BorrowedFd<'_>, dma_buf: BorrowedFd<'_>) -> Result<(), Errno> {
    ioctl_struct(stream, ATTACH, &mut dma_buf.as_raw_fd()).map(drop)
}

/// `IIO_BUFFER_DMABUF_ENQUEUE_IOCTL`: one transfer of the first bytes of an attached buffer.
///
/// # Errors
/// The errno of the call.
pub fn enqueue(stream: BorrowedFd<'_>, dma_buf: BorrowedFd<'_>, bytes: usize) -> Result<(), Errno> {
    let mut argument = Transfer { fd: dma_buf.as_raw_fd() as u32, flags: 0, bytes_used: bytes as u64 };
    ioctl_struct(stream, ENQUEUE, &mut argument).map(drop)
}

/// `IIO_BUFFER_DMABUF_DETACH_IOCTL`. The kernel unmaps the buffer when its transfers have ended, which may be later.
///
/// # Errors
/// The errno of the call.
pub fn detach(stream: BorrowedFd<'_>, dma_buf: BorrowedFd<'_>) -> Result<(), Errno> {
    ioctl_struct(stream, DETACH, &mut dma_buf.as_raw_fd()).map(drop)
}
