//! The system calls and ioctls of the suite: the only unsafe code in the workspace.
//!
//! Every wrapper returns the exact errno and judges nothing.
#![allow(unsafe_code)]

#[cfg(target_arch = "aarch64")]
pub mod arm64;
pub mod bpf;
pub mod derive;
pub mod dma_buf;
pub mod dma_heap;
pub mod drm;
pub mod edu;
pub mod iio;
pub mod importer;
pub mod interrupt;
pub mod iommu;
pub mod kept;
pub mod kms;
pub mod memory;
pub mod netdev;
pub mod process;
pub mod rcu;
pub mod stall;
pub mod sw_sync;
pub mod sync_file;
pub mod udmabuf;
pub mod v4l2;
pub mod v4l2_control;
#[cfg(target_arch = "x86_64")]
pub mod x86_64;

#[cfg(target_arch = "aarch64")]
pub use arm64 as arch;
#[cfg(target_arch = "x86_64")]
pub use x86_64 as arch;

use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::libc;

/// ioctl(2) with a pointer argument. The caller is responsible for how the kernel uses the pointer; an invalid address
/// is a legal argument and gives `EFAULT`.
///
/// # Errors
/// The errno of the call.
pub fn ioctl_address(fd: BorrowedFd<'_>, request: u32, address: usize) -> Result<i32, Errno> {
    ioctl_raw(fd.as_raw_fd(), request, address)
}

/// As [`ioctl_address`], on a number that need not be an open descriptor.
///
/// # Errors
/// The errno of the call.
pub fn ioctl_raw(fd: RawFd, request: u32, address: usize) -> Result<i32, Errno> {
    // SAFETY: the kernel checks the descriptor and the address; it writes at most the size coded in `request`, which
    // every caller in this module backs with an object of that size or with an address that is not writable.
    let result = Errno::result(unsafe { libc::ioctl(fd, libc::c_ulong::from(request) as _, address) });
    if let Ok(value) = result {
        kept::keep(fd, request, address, value);
    }
    result
}

/// ioctl(2) on a C structure.
///
/// # Errors
/// The errno of the call.
pub fn ioctl_struct<T>(fd: BorrowedFd<'_>, request: u32, argument: &mut T) -> Result<i32, Errno> {
    ioctl_raw(fd.as_raw_fd(), request, std::ptr::from_mut(argument) as usize)
}

/// What a system call returns in a register, as the C library reads it.
fn answer(register: i32) -> Result<i32, Errno> {
    match register {
        failed @ -4095..=-1 => Err(Errno::from_raw(-failed)),
        value => Ok(value),
    }
}

/// Takes a descriptor number that the kernel has just returned to us.
pub(crate) fn own(fd: RawFd) -> OwnedFd {
    // SAFETY: the number comes from a successful system call of this process and nobody else owns it.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

/// dup(2): the lowest free number for the same open file description.
///
/// # Errors
/// The errno of the call.
pub fn dup(fd: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    // SAFETY: no memory is involved.
    Errno::result(unsafe { libc::dup(fd.as_raw_fd()) }).map(own)
}

/// close(2) of a descriptor number that no Rust object owns.
///
/// # Errors
/// The errno of the call.
pub fn close_number(fd: RawFd) -> Result<(), Errno> {
    // SAFETY: only used on numbers that no `OwnedFd` owns.
    Errno::result(unsafe { libc::close(fd) }).map(drop)
}

/// close_range(2) from `first` up, whoever owns the numbers: for a fault case.
///
/// # Errors
/// The errno of the call.
pub fn close_everything(first: u32) -> Result<(), Errno> {
    // SAFETY: no memory is involved; owners of the numbers get EBADF when they close them.
    Errno::result(unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, 0) }).map(drop)
}

/// Borrows a descriptor number that this program inherited or got as an argument.
pub fn borrow_number<'fd>(fd: RawFd) -> BorrowedFd<'fd> {
    assert!(fd >= 0);
    // SAFETY: a helper program closes no descriptors; a number that is not open gives EBADF.
    unsafe { BorrowedFd::borrow_raw(fd) }
}

/// fcntl(2) with an integer argument.
///
/// # Errors
/// The errno of the call.
pub fn fcntl(fd: RawFd, command: i32, argument: i32) -> Result<i32, Errno> {
    // SAFETY: the commands used take an integer.
    Errno::result(unsafe { libc::fcntl(fd, command, argument) })
}

/// How many ticks of the processor's counter `work` takes, and its result. The clock of an emulated guest has steps of 10 ms
/// and stands still while the kernel has interrupts off; the counter does not.
pub fn ticks_of<T>(work: impl FnOnce() -> T) -> (u64, T) {
    let begun = arch::ticks();
    let result = work();
    (arch::ticks().saturating_sub(begun), result)
}

/// `F_GET_RW_HINT` and `F_SET_RW_HINT` of include/uapi/linux/fcntl.h.
const GET_RW_HINT: i32 = 1035;
const SET_RW_HINT: i32 = 1036;

/// fcntl(2) with `F_GET_RW_HINT`: how long what is written to the inode is expected to live.
///
/// # Errors
/// The errno of the call.
pub fn rw_hint(fd: BorrowedFd<'_>) -> Result<u64, Errno> {
    let mut hint = 0_u64;
    // SAFETY: the kernel writes 64 bits to the address.
    Errno::result(unsafe { libc::fcntl(fd.as_raw_fd(), GET_RW_HINT, std::ptr::from_mut(&mut hint)) }).map(|_| hint)
}

/// fcntl(2) with `F_SET_RW_HINT`.
///
/// # Errors
/// The errno of the call.
pub fn set_rw_hint(fd: BorrowedFd<'_>, hint: u64) -> Result<(), Errno> {
    // SAFETY: the kernel reads 64 bits from the address.
    Errno::result(unsafe { libc::fcntl(fd.as_raw_fd(), SET_RW_HINT, std::ptr::from_ref(&hint)) }).map(drop)
}

/// An ioctl request number, as `_IOC()` of include/uapi/asm-generic/ioctl.h computes it.
pub const fn ioc(direction: u32, kind: u8, number: u8, size: usize) -> u32 {
    (direction << 30) | ((size as u32) << 16) | ((kind as u32) << 8) | number as u32
}

/// `_IOC_WRITE`: user space writes, the kernel reads.
pub const IOC_WRITE: u32 = 1;
/// `_IOC_READ`: the kernel writes, user space reads.
pub const IOC_READ: u32 = 2;
