//! System calls as a 32-bit program makes them: through int 0x80, which 64-bit programs can use as well.

use std::arch::asm;
use std::os::fd::RawFd;
use std::path::Path;

use nix::errno::Errno;

/// `__NR_ioctl` of arch/x86/entry/syscalls/syscall_32.tbl.
const IOCTL: u64 = 54;

/// Whether the kernel has the 32-bit system calls, by a file that exists then (arch/x86/entry/vdso/vdso32-setup.c). Without them int 0x80
/// kills the caller.
pub fn is_present() -> bool {
    Path::new("/proc/sys/abi/vsyscall32").exists()
}

/// Whether a call takes a process of its own.
pub const TAKES_A_PROCESS: bool = false;

/// ioctl(2) of the 32-bit table. The caller is responsible for how the kernel uses the address, as with
/// [`ioctl_address`](super::super::ioctl_address).
///
/// # Errors
/// The errno of the call.
pub fn ioctl(fd: RawFd, request: u32, address: u32) -> Result<i32, Errno> {
    let result: u64;
    // SAFETY: the kernel checks descriptor and address and preserves all registers but eax and, on some versions, r8 to
    // r11. rbx is not available as an operand, so it is swapped with the descriptor and back.
    unsafe {
        asm!(
            "xchg {fd}, rbx",
            "int 0x80",
            "xchg {fd}, rbx",
            fd = inout(reg) u64::from(fd as u32) => _,
            inlateout("rax") IOCTL => result,
            in("rcx") u64::from(request),
            in("rdx") u64::from(address),
            out("r8") _, out("r9") _, out("r10") _, out("r11") _,
        );
    }
    let result = super::super::answer(result as u32 as i32);
    if let Ok(value) = result {
        super::super::kept::keep(fd, request, address as usize, value);
    }
    result
}
