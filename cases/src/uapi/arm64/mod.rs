//! What the guest program does in another way on each architecture: here arm64.

pub mod compat;
pub mod port;
pub mod trap;

pub use port::Semihosting as ResultPort;

use std::arch::asm;

use crate::uapi::memory::PAGE;

/// The console of a guest.
pub const CONSOLE: &str = "/dev/ttyAMA0";
/// The first address that no program has (`TASK_SIZE_64` of arch/arm64/include/asm/processor.h), with the bits that
/// `kconfigs/arm64-*.config` request for pages of this size.
pub const END_OF_USER_SPACE: usize = match PAGE {
    0x4000 => 1 << 47,
    0x10000 => 1 << 42,
    _ => 1 << 39,
};
/// arm64 has no flag of mmap(2) for an address below 4 GiB.
pub const LOW: i32 = 0;
/// Addresses below 4 GiB to ask mmap(2) for, which it gives if they are free. This program is far above them.
pub const LOW_ADDRESSES: [usize; 4] = [1 << 30, 5 << 28, 6 << 28, 7 << 28];

/// The processor's virtual counter.
pub fn ticks() -> u64 {
    let now;
    // SAFETY: Linux lets programs read this register (`CNTKCTL_EL1`). It changes nothing.
    unsafe { asm!("isb", "mrs {now}, cntvct_el0", now = out(reg) now, options(nomem, nostack, preserves_flags)) };
    now
}
