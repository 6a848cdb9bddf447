//! The part of include/uapi/linux/iommufd.h for mapping dma-bufs, and of drivers/iommu/iommufd/iommufd_test.h for an IOMMU without
//! hardware and its exporter.

use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;

use super::{ioc, ioctl_struct, own};

/// The node of iommufd.
pub const DEVICE: &str = "/dev/iommu";

/// `IOMMU_IOAS_MAP_WRITEABLE`: devices may write there.
pub const WRITEABLE: u32 = 2;
/// `IOMMU_IOAS_MAP_READABLE`: devices may read there.
pub const READABLE: u32 = 4;

#[repr(C)]
struct AllocateSpace {
    size: u32,
    flags: u32,
    id: u32,
}

#[repr(C)]
struct MapFile {
    size: u32,
    flags: u32,
    space: u32,
    fd: i32,
    start: u64,
    length: u64,
    address: u64,
}

#[repr(C)]
struct Unmap {
    size: u32,
    space: u32,
    address: u64,
    length: u64,
}

/// `struct iommu_test_cmd`; the arguments are those of one operation.
#[repr(C)]
struct TestCommand {
    size: u32,
    operation: u32,
    id: u32,
    reserved: u32,
    arguments: [u32; 12],
    /// The last member of the C structure, and its padding.
    last: [u32; 2],
}

/// Requests of iommufd have the type `;` and no size: the structure begins with it.
const fn request(number: u8) -> u32 {
    ioc(0, b';', number, 0)
}

const ALLOCATE_SPACE: u32 = request(0x81);
const UNMAP: u32 = request(0x86);
const MAP_FILE: u32 = request(0x8f);
const TEST: u32 = request(0xa0);

/// `IOMMU_TEST_OP_MOCK_DOMAIN` and `IOMMU_TEST_OP_DMABUF_GET`.
const MOCK_DOMAIN: u32 = 2;
const DMABUF_GET: u32 = 22;

/// `IOMMU_IOAS_ALLOC`: a new address space for devices.
///
/// # Errors
/// The errno of the call.
pub fn allocate_space(iommu: BorrowedFd<'_>) -> Result<u32, Errno> {
    let mut argument = AllocateSpace { size: size_of::<AllocateSpace>() as u32, flags: 0, id: 0 };
    ioctl_struct(iommu, ALLOCATE_SPACE, &mut argument)?;
    Ok(argument.id)
}

/// `IOMMU_TEST_OP_MOCK_DOMAIN`: attaches a device without hardware to an address space.
///
/// # Errors
/// The errno of the call.
pub fn attach_mock_device(iommu: BorrowedFd<'_>, space: u32) -> Result<(), Errno> {
    test(iommu, MOCK_DOMAIN, space, [0; 2]).map(drop)
}

/// `IOMMU_TEST_OP_DMABUF_GET`: a buffer with physical addresses, for which open(2)'s `flags` are chosen.
///
/// # Errors
/// The errno of the call.
pub fn export(iommu: BorrowedFd<'_>, bytes: u32, flags: u32) -> Result<OwnedFd, Errno> {
    test(iommu, DMABUF_GET, 0, [bytes, flags]).map(own)
}

fn test(iommu: BorrowedFd<'_>, operation: u32, id: u32, [first, second]: [u32; 2]) -> Result<i32, Errno> {
    let arguments = [first, second, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let size = size_of::<TestCommand>() as u32;
    let mut command = TestCommand { size, operation, id, reserved: 0, arguments, last: [0; 2] };
    ioctl_struct(iommu, TEST, &mut command)
}

/// `IOMMU_IOAS_MAP_FILE`: maps the first bytes of a buffer for the devices of an address space. Returns the address.
///
/// # Errors
/// The errno of the call.
pub fn map(iommu: BorrowedFd<'_>, space: u32, fd: BorrowedFd<'_>, bytes: u64, flags: u32) -> Result<u64, Errno> {
    let size = size_of::<MapFile>() as u32;
    let mut argument = MapFile { size, flags, space, fd: fd.as_raw_fd(), start: 0, length: bytes, address: 0 };
    ioctl_struct(iommu, MAP_FILE, &mut argument)?;
    Ok(argument.address)
}

/// `IOMMU_IOAS_UNMAP`.
///
/// # Errors
/// The errno of the call.
pub fn unmap(iommu: BorrowedFd<'_>, space: u32, address: u64, bytes: u64) -> Result<(), Errno> {
    let mut argument = Unmap { size: size_of::<Unmap>() as u32, space, address, length: bytes };
    ioctl_struct(iommu, UNMAP, &mut argument).map(drop)
}

const _: () = assert!(size_of::<MapFile>() == 40 && size_of::<Unmap>() == 24 && size_of::<TestCommand>() == 72);
