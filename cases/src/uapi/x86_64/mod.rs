//! What the guest program does in another way on each architecture: here x86-64.

pub mod compat;
pub mod port;
pub mod trap;

pub use port::SerialPort as ResultPort;

use nix::libc;

/// The console of a guest.
pub const CONSOLE: &str = "/dev/ttyS0";
/// The first address that no program has (`TASK_SIZE_MAX` of arch/x86/include/asm/page_64_types.h): one page below the end of the lower
/// half, with four levels of page tables.
pub const END_OF_USER_SPACE: usize = (1 << 47) - 4096;
/// The flag of mmap(2) for an address below 4 GiB.
pub const LOW: i32 = libc::MAP_32BIT;
/// Addresses to ask mmap(2) for together with that: none in particular.
pub const LOW_ADDRESSES: [usize; 1] = [0];

/// The processor's time-stamp counter.
pub fn ticks() -> u64 {
    // SAFETY: every processor of x86-64 has the instruction, and Linux lets programs use it.
    unsafe { std::arch::x86_64::_rdtsc() }
}
