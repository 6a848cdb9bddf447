//! The PRIME part of include/uapi/drm/drm.h that vgem supports, and include/uapi/drm/vgem_drm.h.

use std::mem::offset_of;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};

use nix::errno::Errno;

use super::memory::PAGE;
use super::{IOC_READ, IOC_WRITE, ioc, ioctl_struct, own};

#[repr(C)]
struct PrimeHandle {
    handle: u32,
    flags: u32,
    fd: i32,
}

#[repr(C)]
struct GemClose {
    handle: u32,
    pad: u32,
}

#[repr(C)]
struct VgemFenceAttach {
    handle: u32,
    flags: u32,
    out_fence: u32,
    pad: u32,
}

#[repr(C)]
struct VgemFenceSignal {
    fence: u32,
    flags: u32,
}

/// `struct drm_mode_create_dumb` of include/uapi/drm/drm_mode.h.
#[repr(C)]
struct CreateDumb {
    height: u32,
    width: u32,
    bpp: u32,
    flags: u32,
    handle: u32,
    pitch: u32,
    size: u64,
}

#[repr(C)]
struct GemFlink {
    handle: u32,
    name: u32,
}

#[repr(C)]
struct GemOpen {
    name: u32,
    handle: u32,
    size: u64,
}

/// `struct drm_mode_map_dumb` of include/uapi/drm/drm_mode.h.
#[repr(C)]
struct MapDumb {
    handle: u32,
    pad: u32,
    offset: u64,
}

/// The offset in a node of the first object of a device: `DRM_FILE_PAGE_OFFSET_START` (include/drm/drm_vma_manager.h)
/// in bytes. drm_gem_create_mmap_offset() gives each object, an import too, the first range that fits.
pub const FIRST_OFFSET: i64 = 1 << 32;

const VGEM_FENCE_WRITE: u32 = 1;
const VGEM_FENCE_ATTACH: u32 = ioc(IOC_READ | IOC_WRITE, b'd', 0x41, size_of::<VgemFenceAttach>());
const VGEM_FENCE_SIGNAL: u32 = ioc(IOC_WRITE, b'd', 0x42, size_of::<VgemFenceSignal>());
/// The number of `DRM_IOCTL_PRIME_HANDLE_TO_FD`.
pub const PRIME_HANDLE_TO_FD: u32 = ioc(IOC_READ | IOC_WRITE, b'd', 0x2d, size_of::<PrimeHandle>());
/// Offset of the descriptor in its structure.
pub(super) const FD_OFFSET: usize = offset_of!(PrimeHandle, fd);
/// The number of `DRM_IOCTL_PRIME_FD_TO_HANDLE`.
pub const PRIME_FD_TO_HANDLE: u32 = ioc(IOC_READ | IOC_WRITE, b'd', 0x2e, size_of::<PrimeHandle>());
const MODE_CREATE_DUMB: u32 = ioc(IOC_READ | IOC_WRITE, b'd', 0xb2, size_of::<CreateDumb>());
const MODE_MAP_DUMB: u32 = ioc(IOC_READ | IOC_WRITE, b'd', 0xb3, size_of::<MapDumb>());
const GEM_FLINK: u32 = ioc(IOC_READ | IOC_WRITE, b'd', 0x0a, size_of::<GemFlink>());
const GEM_OPEN: u32 = ioc(IOC_READ | IOC_WRITE, b'd', 0x0b, size_of::<GemOpen>());
const GEM_CLOSE: u32 = ioc(IOC_WRITE, b'd', 0x09, size_of::<GemClose>());

/// `DRM_IOCTL_PRIME_FD_TO_HANDLE`: imports a dma-buf.
///
/// # Errors
/// The errno of the call.
pub fn import(device: BorrowedFd<'_>, dma_buf: BorrowedFd<'_>) -> Result<u32, Errno> {
    import_number(device, dma_buf.as_raw_fd())
}

/// As [`import`], of a number that need not be open.
///
/// # Errors
/// The errno of the call.
pub fn import_number(device: BorrowedFd<'_>, fd: RawFd) -> Result<u32, Errno> {
    let mut argument = PrimeHandle { handle: 0, flags: 0, fd };
    ioctl_struct(device, PRIME_FD_TO_HANDLE, &mut argument)?;
    Ok(argument.handle)
}

/// `DRM_IOCTL_PRIME_HANDLE_TO_FD`: exports the buffer behind a handle. `flags` may hold `DRM_RDWR` (`O_RDWR`) and
/// `DRM_CLOEXEC` (`O_CLOEXEC`).
///
/// # Errors
/// The errno of the call.
pub fn export(device: BorrowedFd<'_>, handle: u32, flags: u32) -> Result<OwnedFd, Errno> {
    export_and_result(device, handle, flags).map(|(fd, _)| fd)
}

/// As [`export`], with what the ioctl returned.
///
/// # Errors
/// As [`export`].
pub fn export_and_result(device: BorrowedFd<'_>, handle: u32, flags: u32) -> Result<(OwnedFd, i32), Errno> {
    let mut argument = PrimeHandle { handle, flags, fd: -1 };
    let result = ioctl_struct(device, PRIME_HANDLE_TO_FD, &mut argument)?;
    Ok((own(argument.fd), result))
}

/// `DRM_IOCTL_MODE_CREATE_DUMB`: allocates a buffer of `pages` pages from the driver and returns a handle.
///
/// # Errors
/// The errno of the call.
pub fn create_dumb(device: BorrowedFd<'_>, pages: u32) -> Result<u32, Errno> {
    // A line of pixels of four bytes is one page.
    let width = (PAGE / 4) as u32;
    let mut argument = CreateDumb { height: pages, width, bpp: 32, flags: 0, handle: 0, pitch: 0, size: 0 };
    ioctl_struct(device, MODE_CREATE_DUMB, &mut argument)?;
    Ok(argument.handle)
}

/// `DRM_IOCTL_MODE_MAP_DUMB`: the offset at which mmap(2) of the node shows the buffer.
///
/// # Errors
/// The errno of the call; `EINVAL` for an imported buffer.
pub fn map_offset(device: BorrowedFd<'_>, handle: u32) -> Result<u64, Errno> {
    let mut argument = MapDumb { handle, pad: 0, offset: 0 };
    ioctl_struct(device, MODE_MAP_DUMB, &mut argument)?;
    Ok(argument.offset)
}

/// `DRM_IOCTL_GEM_FLINK` and `DRM_IOCTL_GEM_OPEN`: gives the buffer behind a handle a name and opens it by that name in a file of
/// the same device, which makes another handle there.
///
/// # Errors
/// The errno of the call; `ENOENT` when the handle is not open.
pub fn open_again(device: BorrowedFd<'_>, handle: u32, there: BorrowedFd<'_>) -> Result<u32, Errno> {
    let mut open = GemOpen { name: flink(device, handle)?, handle: 0, size: 0 };
    ioctl_struct(there, GEM_OPEN, &mut open)?;
    Ok(open.handle)
}

/// `DRM_IOCTL_GEM_FLINK`: gives the buffer behind a handle a name, and returns it.
///
/// # Errors
/// As [`open_again`].
pub fn flink(device: BorrowedFd<'_>, handle: u32) -> Result<u32, Errno> {
    let mut flink = GemFlink { handle, name: 0 };
    ioctl_struct(device, GEM_FLINK, &mut flink)?;
    Ok(flink.name)
}

/// `DRM_IOCTL_GEM_CLOSE`: closes a handle.
///
/// # Errors
/// The errno of the call.
pub fn close(device: BorrowedFd<'_>, handle: u32) -> Result<(), Errno> {
    ioctl_struct(device, GEM_CLOSE, &mut GemClose { handle, pad: 0 }).map(drop)
}

/// `DRM_IOCTL_VGEM_FENCE_ATTACH`: adds a fence to the buffer behind a handle and returns its number.
///
/// # Errors
/// The errno of the call; `EBUSY` while the buffer has a conflicting unsignalled fence.
pub fn vgem_fence_attach(device: BorrowedFd<'_>, handle: u32, write: bool) -> Result<u32, Errno> {
    let flags = if write { VGEM_FENCE_WRITE } else { 0 };
    let mut argument = VgemFenceAttach { handle, flags, out_fence: 0, pad: 0 };
    ioctl_struct(device, VGEM_FENCE_ATTACH, &mut argument)?;
    Ok(argument.out_fence)
}

/// `DRM_IOCTL_VGEM_FENCE_SIGNAL`.
///
/// # Errors
/// The errno of the call; `ETIMEDOUT` when the fence has expired.
pub fn vgem_fence_signal(device: BorrowedFd<'_>, fence: u32) -> Result<(), Errno> {
    ioctl_struct(device, VGEM_FENCE_SIGNAL, &mut VgemFenceSignal { fence, flags: 0 }).map(drop)
}
