//! The part of include/uapi/linux/videodev2.h for streaming single-planar queues from and into dma-bufs. The layouts are
//! those of a 64-bit caller.

use std::mem::offset_of;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::memory::PAGE;
use super::{IOC_READ, IOC_WRITE, ioc, ioctl_struct, own};

/// `enum v4l2_buf_type`: the queue of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VideoQueue {
    /// `V4L2_BUF_TYPE_VIDEO_CAPTURE`: the device writes its buffers.
    Capture = 1,
    /// `V4L2_BUF_TYPE_VIDEO_OUTPUT`: the device reads them.
    Output = 2,
}

/// `V4L2_BUF_TYPE_VIDEO_CAPTURE`.
const CAPTURE: u32 = VideoQueue::Capture as u32;
/// `V4L2_MEMORY_DMABUF`.
const DMABUF: u32 = Memory::DmaBuf as u32;
/// `V4L2_BUF_FLAG_ERROR`.
const FLAG_ERROR: u32 = 0x40;
/// Bytes per pixel of small frames. A frame has to be larger than a page, and vivid's smallest, 320 by 180 grey pixels, fits into
/// one of 64 KiB.
pub const SMALL_PIXEL: usize = if PAGE < 320 * 180 { 1 } else { 2 };
/// `V4L2_PIX_FMT_GREY`: one byte per pixel.
const GREY: u32 = u32::from_le_bytes(*b"GREY");
/// `V4L2_PIX_FMT_RGB565`: two bytes per pixel.
const RGB565: u32 = u32::from_le_bytes(*b"RGBP");

/// `struct v4l2_format` with a `struct v4l2_pix_format` inside.
#[repr(C)]
struct Format {
    kind: u32,
    /// The union contains pointers.
    _align: u32,
    width: u32,
    height: u32,
    pixel_format: u32,
    field: u32,
    bytes_per_line: u32,
    size_image: u32,
    rest: [u32; 44],
}

impl Format {
    const EMPTY: Format = Format {
        kind: CAPTURE,
        _align: 0,
        width: 0,
        height: 0,
        pixel_format: 0,
        field: 0,
        bytes_per_line: 0,
        size_image: 0,
        rest: [0; 44],
    };
}

#[repr(C)]
struct RequestBuffers {
    count: u32,
    kind: u32,
    memory: u32,
    capabilities: u32,
    flags: u32,
}

/// `struct v4l2_create_buffers`.
#[repr(C)]
struct CreateBuffers {
    index: u32,
    count: u32,
    memory: u32,
    _align: u32,
    format: Format,
    rest: [u32; 8],
}

/// `struct v4l2_exportbuffer`.
#[repr(C)]
struct ExportBuffer {
    kind: u32,
    index: u32,
    plane: u32,
    flags: u32,
    fd: i32,
    rest: [u32; 11],
}

/// `enum v4l2_memory`: where the buffers of a queue come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Memory {
    /// The driver.
    Mmap = 1,
    /// The caller's address space.
    UserPtr = 2,
    /// dma-bufs.
    DmaBuf = 4,
}

#[repr(C)]
#[derive(Default)]
struct Buffer {
    index: u32,
    kind: u32,
    bytes_used: u32,
    flags: u32,
    field: u32,
    timestamp: [i64; 2],
    timecode: [u32; 4],
    sequence: u32,
    memory: u32,
    fd: i32,
    /// The rest of the union, which holds an address in `fd` and this.
    union_end: u32,
    length: u32,
    reserved2: u32,
    request_fd: i32,
}

const BOTH: u32 = IOC_READ | IOC_WRITE;
const G_FMT: u32 = ioc(BOTH, b'V', 4, size_of::<Format>());
const S_FMT: u32 = ioc(BOTH, b'V', 5, size_of::<Format>());
const REQBUFS: u32 = ioc(BOTH, b'V', 8, size_of::<RequestBuffers>());
const QUERYBUF: u32 = ioc(BOTH, b'V', 9, size_of::<Buffer>());
const QBUF: u32 = ioc(BOTH, b'V', 15, size_of::<Buffer>());
/// The number of `VIDIOC_EXPBUF`.
pub const EXPBUF: u32 = ioc(BOTH, b'V', 16, size_of::<ExportBuffer>());
/// Offset of the descriptor in its structure.
pub(super) const FD_OFFSET: usize = offset_of!(ExportBuffer, fd);
const DQBUF: u32 = ioc(BOTH, b'V', 17, size_of::<Buffer>());
const STREAMON: u32 = ioc(IOC_WRITE, b'V', 18, size_of::<i32>());
const STREAMOFF: u32 = ioc(IOC_WRITE, b'V', 19, size_of::<i32>());
const S_INPUT: u32 = ioc(BOTH, b'V', 39, size_of::<u32>());
const CREATE_BUFS: u32 = ioc(BOTH, b'V', 92, size_of::<CreateBuffers>());

/// A frame that the device has filled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Index of the queue's slot.
    pub index: u32,
    /// The descriptor that the queue reports for it.
    pub fd: RawFd,
    /// Bytes written.
    pub bytes: u32,
    /// Whether the driver reports an error in them.
    pub error: bool,
}

/// `VIDIOC_S_FMT`: the smallest picture of the queue with [`SMALL_PIXEL`] bytes per pixel. Returns the size of a frame in bytes.
///
/// # Errors
/// The errno of the call; `EBUSY` while the queue has buffers.
pub fn set_small_format(device: BorrowedFd<'_>, queue: VideoQueue) -> Result<u32, Errno> {
    let pixel_format = if SMALL_PIXEL == 1 { GREY } else { RGB565 };
    let mut format = Format { kind: queue as u32, width: 1, height: 1, pixel_format, ..Format::EMPTY };
    ioctl_struct(device, S_FMT, &mut format)?;
    Ok(format.size_image)
}

/// `VIDIOC_S_FMT`: pictures of `width` by `height` pixels of two bytes. Returns the size of a frame in bytes.
///
/// # Errors
/// As [`set_small_format`].
pub fn set_format(device: BorrowedFd<'_>, queue: VideoQueue, (width, height): (u32, u32)) -> Result<u32, Errno> {
    let mut format = Format { kind: queue as u32, width, height, pixel_format: RGB565, ..Format::EMPTY };
    ioctl_struct(device, S_FMT, &mut format)?;
    Ok(format.size_image)
}

/// `VIDIOC_REQBUFS` with `V4L2_MEMORY_DMABUF`: requests `count` slots and returns how many there are; 0 frees all of
/// them and what was queued in them.
///
/// # Errors
/// The errno of the call.
pub fn request_slots(device: BorrowedFd<'_>, count: u32) -> Result<u32, Errno> {
    request_slots_of(device, count, Memory::DmaBuf)
}

/// The same for a queue of a device that has two.
///
/// # Errors
/// The errno of the call.
pub fn request_slots_on(device: BorrowedFd<'_>, queue: VideoQueue, count: u32) -> Result<u32, Errno> {
    let mut argument = RequestBuffers { count, kind: queue as u32, memory: DMABUF, capabilities: 0, flags: 0 };
    ioctl_struct(device, REQBUFS, &mut argument)?;
    Ok(argument.count)
}

/// The same for another kind of memory.
///
/// # Errors
/// The errno of the call.
pub fn request_slots_of(device: BorrowedFd<'_>, count: u32, memory: Memory) -> Result<u32, Errno> {
    let mut argument = RequestBuffers { count, kind: CAPTURE, memory: memory as u32, capabilities: 0, flags: 0 };
    ioctl_struct(device, REQBUFS, &mut argument)?;
    Ok(argument.count)
}

/// `VIDIOC_CREATE_BUFS`: adds `count` slots for frames of the chosen format and returns the index of the first one.
///
/// # Errors
/// The errno of the call; `EINVAL` while the queue has slots for another kind of memory.
pub fn add_slots(device: BorrowedFd<'_>, count: u32, memory: Memory) -> Result<u32, Errno> {
    create_slots(device, count, memory, |format| format)
}

/// `VIDIOC_CREATE_BUFS`: adds a slot of `bytes` in the driver's own memory, at least those of a frame, and returns its index.
///
/// # Errors
/// As [`add_slots`].
pub fn add_slot_of(device: BorrowedFd<'_>, bytes: u32) -> Result<u32, Errno> {
    create_slots(device, 1, Memory::Mmap, |format| Format { size_image: bytes, ..format })
}

fn create_slots(
    device: BorrowedFd<'_>,
    count: u32,
    memory: Memory,
    change: impl FnOnce(Format) -> Format,
) -> Result<u32, Errno> {
    let mut format = Format::EMPTY;
    ioctl_struct(device, G_FMT, &mut format)?;
    let format = change(format);
    let mut argument = CreateBuffers { index: 0, count, memory: memory as u32, _align: 0, format, rest: [0; 8] };
    ioctl_struct(device, CREATE_BUFS, &mut argument)?;
    Ok(argument.index)
}

/// `VIDIOC_EXPBUF`: exports a slot of the driver's own memory. `flags` may hold an access mode and `O_CLOEXEC`.
///
/// # Errors
/// The errno of the call; `EINVAL` also when the driver has no memory for the dma-buf.
pub fn export(device: BorrowedFd<'_>, index: u32, flags: u32) -> Result<OwnedFd, Errno> {
    let mut argument = ExportBuffer { kind: CAPTURE, index, plane: 0, flags, fd: -1, rest: [0; 11] };
    ioctl_struct(device, EXPBUF, &mut argument)?;
    Ok(own(argument.fd))
}

/// `VIDIOC_S_INPUT`.
///
/// # Errors
/// The errno of the call; `EBUSY` while the queue has buffers and the input is another one.
pub fn choose_input(device: BorrowedFd<'_>, mut input: u32) -> Result<(), Errno> {
    ioctl_struct(device, S_INPUT, &mut input).map(drop)
}

/// `VIDIOC_QBUF`: queues a dma-buf for the device to write.
///
/// # Errors
/// The errno of the call.
pub fn queue(device: BorrowedFd<'_>, index: u32, dma_buf: BorrowedFd<'_>) -> Result<(), Errno> {
    queue_with(device, index, dma_buf.as_raw_fd(), 0)
}

/// As [`queue`], with a number that need not be open, and the length that the caller claims, in bytes; 0 is that of the
/// dma-buf.
///
/// # Errors
/// The errno of the call.
pub fn queue_with(device: BorrowedFd<'_>, index: u32, fd: RawFd, length: u32) -> Result<(), Errno> {
    queue_buffer(device, Buffer { index, memory: DMABUF, fd, length, ..Buffer::default() })
}

/// `VIDIOC_QBUF` of a dma-buf on a queue of a device that may have two; `bytes_used` is what an output queue is to read.
///
/// # Errors
/// The errno of the call.
pub fn queue_on(
    device: BorrowedFd<'_>,
    (queue, index): (VideoQueue, u32),
    dma_buf: BorrowedFd<'_>,
    bytes_used: u32,
) -> Result<(), Errno> {
    let fd = dma_buf.as_raw_fd();
    let mut buffer = Buffer { index, kind: queue as u32, bytes_used, memory: DMABUF, fd, ..Buffer::default() };
    ioctl_struct(device, QBUF, &mut buffer).map(drop)
}

/// `VIDIOC_QBUF` of a buffer of any kind. `fd` is in the place of the address or offset that other kinds have.
///
/// # Errors
/// The errno of the call.
pub fn queue_of(device: BorrowedFd<'_>, index: u32, memory: Memory, fd: RawFd) -> Result<(), Errno> {
    queue_buffer(device, Buffer { index, memory: memory as u32, fd, ..Buffer::default() })
}

/// `VIDIOC_QBUF` of the caller's memory at an address (`m.userptr`).
///
/// # Errors
/// The errno of the call.
pub fn queue_address(device: BorrowedFd<'_>, index: u32, address: usize, length: u32) -> Result<(), Errno> {
    let (low, high) = (address as u64 as u32, (address as u64 >> 32) as u32);
    let memory = Memory::UserPtr as u32;
    queue_buffer(device, Buffer { index, memory, fd: low as i32, union_end: high, length, ..Buffer::default() })
}

fn queue_buffer(device: BorrowedFd<'_>, buffer: Buffer) -> Result<(), Errno> {
    ioctl_struct(device, QBUF, &mut Buffer { kind: CAPTURE, ..buffer }).map(drop)
}

/// `VIDIOC_QUERYBUF`: the descriptor that the queue reports for a slot.
///
/// # Errors
/// The errno of the call.
pub fn queued(device: BorrowedFd<'_>, index: u32) -> Result<RawFd, Errno> {
    let mut buffer = Buffer { index, kind: CAPTURE, memory: DMABUF, ..Buffer::default() };
    ioctl_struct(device, QUERYBUF, &mut buffer)?;
    Ok(buffer.fd)
}

/// `VIDIOC_QUERYBUF`: the offset in the node at which a slot of the driver's own memory can be mapped.
///
/// # Errors
/// The errno of the call.
pub fn map_offset(device: BorrowedFd<'_>, index: u32) -> Result<i64, Errno> {
    let mut buffer = Buffer { index, kind: CAPTURE, memory: Memory::Mmap as u32, ..Buffer::default() };
    ioctl_struct(device, QUERYBUF, &mut buffer)?;
    // The union holds the offset where it holds the descriptor of a dma-buf.
    Ok(i64::from(buffer.fd as u32))
}

/// `VIDIOC_DQBUF`: waits for a frame, unless the device was opened with `O_NONBLOCK`.
///
/// # Errors
/// The errno of the call; `EAGAIN` without a frame.
pub fn dequeue(device: BorrowedFd<'_>) -> Result<Frame, Errno> {
    dequeue_from(device, VideoQueue::Capture)
}

/// The same for a queue of a device that has two.
///
/// # Errors
/// As [`dequeue`].
pub fn dequeue_from(device: BorrowedFd<'_>, queue: VideoQueue) -> Result<Frame, Errno> {
    dequeue_buffer(device, queue, Memory::DmaBuf)
}

/// As [`dequeue`], of another kind of memory; the descriptor has no meaning then.
///
/// # Errors
/// As [`dequeue`].
pub fn dequeue_of(device: BorrowedFd<'_>, memory: Memory) -> Result<Frame, Errno> {
    dequeue_buffer(device, VideoQueue::Capture, memory)
}

fn dequeue_buffer(device: BorrowedFd<'_>, queue: VideoQueue, memory: Memory) -> Result<Frame, Errno> {
    let mut buffer = Buffer { kind: queue as u32, memory: memory as u32, ..Buffer::default() };
    ioctl_struct(device, DQBUF, &mut buffer)?;
    Ok(Frame { index: buffer.index, fd: buffer.fd, bytes: buffer.bytes_used, error: buffer.flags & FLAG_ERROR != 0 })
}

/// `VIDIOC_STREAMON`.
///
/// # Errors
/// The errno of the call.
pub fn stream_on(device: BorrowedFd<'_>) -> Result<(), Errno> {
    stream(device, VideoQueue::Capture, true)
}

/// `VIDIOC_STREAMOFF`: stops, and removes everything that was queued.
///
/// # Errors
/// The errno of the call.
pub fn stream_off(device: BorrowedFd<'_>) -> Result<(), Errno> {
    stream(device, VideoQueue::Capture, false)
}

/// `VIDIOC_STREAMON`, or off, for a queue of a device that has two.
///
/// # Errors
/// The errno of the call.
pub fn stream(device: BorrowedFd<'_>, queue: VideoQueue, on: bool) -> Result<(), Errno> {
    ioctl_struct(device, if on { STREAMON } else { STREAMOFF }, &mut (queue as i32)).map(drop)
}

/// Waits up to `milliseconds` for a frame that can be dequeued.
///
/// # Errors
/// The errno of poll(2); `ETIMEDOUT` without a frame.
pub fn wait_for_frame(device: BorrowedFd<'_>, milliseconds: u16) -> Result<(), Errno> {
    let mut fds = [PollFd::new(device, PollFlags::POLLIN)];
    match poll(&mut fds, PollTimeout::from(milliseconds))? {
        0 => Err(Errno::ETIMEDOUT),
        _ => Ok(()),
    }
}

const _: () = assert!(size_of::<CreateBuffers>() == 256 && size_of::<ExportBuffer>() == 64);
const _: () = assert!(size_of::<Format>() == 208 && size_of::<RequestBuffers>() == 20 && size_of::<Buffer>() == 88);
