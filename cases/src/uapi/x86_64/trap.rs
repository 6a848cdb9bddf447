//! Instructions that raise a CPU exception, for fault cases.

use std::arch::asm;

/// `ud2`: SIGILL.
pub fn undefined_instruction() {
    // SAFETY: raises a signal and changes nothing.
    unsafe { asm!("ud2", options(nomem, nostack)) };
}

/// `int3`: SIGTRAP, unless a debugger is attached.
pub fn breakpoint() {
    // SAFETY: raises a signal and changes nothing.
    unsafe { asm!("int3", options(nomem, nostack)) };
}

/// A division by zero, which Rust would catch before the processor: SIGFPE.
pub fn divide_by_zero() {
    // SAFETY: raises a signal; the registers that it would change are declared.
    unsafe {
        asm!("div {zero:e}", zero = in(reg) 0u32, inout("eax") 1u32 => _, inout("edx") 0u32 => _, options(nomem, nostack))
    };
}
