//! Instructions that raise a CPU exception, for fault cases.

use std::arch::asm;

use nix::sys::signal::{Signal, raise};

/// `udf`: SIGILL.
pub fn undefined_instruction() {
    // SAFETY: raises a signal and changes nothing.
    unsafe { asm!("udf #0", options(nomem, nostack)) };
}

/// `brk`: SIGTRAP, unless a debugger is attached.
pub fn breakpoint() {
    // SAFETY: raises a signal and changes nothing.
    unsafe { asm!("brk #0", options(nomem, nostack)) };
}

/// SIGFPE. It is sent, because a division by zero gives zero on arm64.
pub fn divide_by_zero() {
    let _ = raise(Signal::SIGFPE);
}
