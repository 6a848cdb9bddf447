//! Faults in the kernel, by name.

use std::fs;
use std::os::fd::AsRawFd;

use nix::errno::Errno;
use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::unistd::Pid;

use super::{FaultCase, fault_case};
use crate::steps::{CaseResult, OrBroken, Steps};
use crate::variant::CaseParams;

/// Written to: the name of a fault, and a descriptor for a fault that needs one.
const MISBEHAVE: &str = "/sys/kernel/debug/dmabuf-conformance/misbehave";

/// The faults of `misbehave.c`.
#[cfg(test)]
pub(super) const FAULTS: &[&str] = &[
    "use_after_free",
    "out_of_bounds",
    "double_free",
    "null_dereference",
    "wild_pointer",
    "jump_to_null",
    "bug",
    "warn",
    "divide_by_zero",
    "refcount_underflow",
    "list_corruption",
    "sleep_in_atomic",
    "lock_order",
    "lock_taken_twice",
    "lock_never_released",
    "wait_for_ever",
    "loop",
    "loop_without_preemption",
    "loop_with_interrupts_off",
    "loop_in_rcu",
    "loop_everywhere",
    "stack_overflow",
    "reset",
    "panic",
    "flood_the_log",
    "out_of_memory",
    "leak_file",
    "fput_too_many",
    "late_in_rcu",
    "late_in_work",
    "late_in_timer",
];

pub(super) const FAULT_CASES: &[FaultCase] = &[
    fault_case!(
        "use_after_free",
        "The kernel reads memory that it has freed.",
        Brief,
        Fail,
        ["KASAN", "dbc_fault_use_after_free"],
        |s, _| { fault(s, "use_after_free") }
    ),
    fault_case!(
        "out_of_bounds",
        "The kernel writes past the end of an object.",
        Brief,
        Fail,
        ["KASAN", "dbc_fault_out_of_bounds"],
        |s, _| { fault(s, "out_of_bounds") }
    ),
    fault_case!(
        "double_free",
        "The kernel frees an object twice.",
        Brief,
        Fail,
        ["KASAN", "dbc_fault_double_free"],
        |s, _| { fault(s, "double_free") }
    ),
    fault_case!(
        "null_dereference",
        "The kernel dereferences a null pointer.",
        Brief,
        Fail,
        ["dbc_fault_null_dereference"],
        |s, _| { fault(s, "null_dereference") }
    ),
    fault_case!(
        "wild_pointer",
        "The kernel dereferences an invalid pointer.",
        Brief,
        Fail,
        ["dbc_fault_wild_pointer"],
        |s, _| { fault(s, "wild_pointer") }
    ),
    fault_case!(
        "jump_to_null",
        "The kernel calls a null function pointer.",
        Brief,
        Fail,
        ["dbc_fault_jump_to_null"],
        |s, _| { fault(s, "jump_to_null") }
    ),
    fault_case!("bug", "BUG() in the kernel.", Brief, Fail, ["kernel BUG at", "dbc_fault_bug"], |s, _| fault(s, "bug")),
    fault_case!("warn", "WARN() in the kernel.", Brief, Fail, ["WARNING: ", "dbc_fault_warn"], |s, _| fault(s, "warn")),
    fault_case!(
        "divide_by_zero",
        "The kernel divides by zero.",
        Brief,
        Fail,
        ["divide error", "dbc_fault_divide_by_zero"],
        |s, _| { fault(s, "divide_by_zero") }
    ),
    fault_case!(
        "refcount_underflow",
        "A reference count drops below zero.",
        Brief,
        Fail,
        ["refcount_t: underflow", "dbc_fault_refcount_underflow"],
        |s, _| { fault(s, "refcount_underflow") }
    ),
    fault_case!(
        "list_corruption",
        "The kernel removes a list entry twice.",
        Brief,
        Fail,
        ["list_del corruption", "dbc_fault_list_corruption"],
        |s, _| { fault(s, "list_corruption") }
    ),
    fault_case!(
        "sleep_in_atomic",
        "The kernel sleeps while it holds a spinlock.",
        Brief,
        Fail,
        ["sleeping function called from invalid context", "dbc_fault_sleep_in_atomic"],
        |s, _| { fault(s, "sleep_in_atomic") }
    ),
    fault_case!(
        "lock_order",
        "Two locks are taken in both orders.",
        Brief,
        Fail,
        ["possible circular locking", "dbc_fault_lock_order"],
        |s, _| { fault(s, "lock_order") }
    ),
    fault_case!(
        "lock_taken_twice",
        "The kernel waits for a lock that it holds.",
        Brief,
        Fail,
        ["recursive locking", "dbc_fault_lock_taken_twice"],
        |s, _| { fault(s, "lock_taken_twice") }
    ),
    fault_case!(
        "lock_never_released",
        "The kernel returns to user space with a lock held.",
        Brief,
        Fail,
        ["lock held when returning to user space"],
        |s, _| { fault(s, "lock_never_released") }
    ),
    fault_case!(
        "wait_for_ever",
        "The kernel waits uninterruptibly for an event that never happens.",
        Brief,
        Fail,
        ["did not end within its limit"],
        |s, _| { fault(s, "wait_for_ever") }
    ),
    fault_case!(
        "hung_task",
        "The same, with the kernel's hung task detector set to seconds.",
        Detectors,
        Fail,
        ["INFO: task", "blocked for more than"],
        |s, _| { fault(s, "wait_for_ever") }
    ),
    fault_case!("loop", "The kernel loops without a message.", Brief, Fail, ["dbc_fault_loop"], |s, _| fault_alone(
        s, "loop"
    )),
    fault_case!(
        "loop_with_interrupts_off",
        "The kernel loops with interrupts off.",
        Brief,
        FailOrLost,
        ["dbc_fault_loop_with_interrupts_off"],
        |s, _| { fault_alone(s, "loop_with_interrupts_off") }
    ),
    fault_case!(
        "soft_lockup",
        "The kernel loops with preemption off, with its watchdog set to seconds.",
        Detectors,
        Fail,
        ["soft lockup", "dbc_fault_loop_without_preemption"],
        |s, _| { fault_alone(s, "loop_without_preemption") }
    ),
    fault_case!(
        "rcu_stall",
        "The kernel loops in an RCU read-side critical section.",
        Stalls,
        Fail,
        ["rcu: INFO: ", "stall", "dbc_fault_loop_in_rcu"],
        |s, _| { fault_alone(s, "loop_in_rcu") }
    ),
    fault_case!(
        "loop_everywhere",
        "Every processor loops with interrupts off.",
        Brief,
        Lost,
        ["dbc_loop_here"],
        |s, _| { fault(s, "loop_everywhere") }
    ),
    fault_case!("stack_overflow", "The kernel's stack overflows.", Brief, Fail, ["stack"], |s, _| fault(
        s,
        "stack_overflow"
    )),
    fault_case!(
        "reset",
        "The processor resets without a kernel message.",
        Brief,
        Lost,
        ["restarted without a message"],
        |s, _| { fault(s, "reset") }
    ),
    fault_case!(
        "panic",
        "panic() in the kernel.",
        Brief,
        Fail,
        ["Kernel panic - not syncing: a panic on purpose"],
        |s, _| fault(s, "panic")
    ),
    fault_case!(
        "kernel_out_of_memory",
        "The kernel allocates all memory and keeps it.",
        Patient,
        Fail,
        ["oom-killer"],
        |s, _| { fault(s, "out_of_memory") }
    ),
    fault_case!("kernel_floods_its_log", "The kernel writes to its log endlessly.", Brief, Fail, ["limit"], |s, _| {
        fault(s, "flood_the_log")
    }),
    fault_case!(
        "leak_buffer",
        "The kernel leaks a reference on a buffer.",
        Brief,
        Fail,
        ["left behind", "buffers"],
        leak_buffer
    ),
    fault_case!(
        "leak_file",
        "The kernel leaks a reference on a file that is not a buffer.",
        Brief,
        Fail,
        ["left behind", "files"],
        |s, _| { fault_with_file(s, "leak_file") }
    ),
    fault_case!(
        "fput_too_many",
        "The kernel drops a reference on a file twice.",
        Brief,
        Fail,
        ["complained"],
        |s, _| { fault_with_file(s, "fput_too_many") }
    ),
    fault_case!(
        "late_in_rcu",
        "An RCU callback uses freed memory after the case.",
        Brief,
        Fail,
        ["KASAN", "dbc_fault_use_after_free"],
        |s, _| { fault(s, "late_in_rcu") }
    ),
    fault_case!(
        "late_in_work",
        "Queued work uses freed memory after the case.",
        Brief,
        Fail,
        ["KASAN", "dbc_fault_use_after_free"],
        |s, _| { fault(s, "late_in_work") }
    ),
    fault_case!(
        "late_in_timer",
        "A timer dereferences a null pointer in interrupt context after the case: the kernel panics.",
        Brief,
        Fail,
        ["Kernel panic", "dbc_fault_null_dereference"],
        |s, _| { fault(s, "late_in_timer") }
    ),
];

fn fault(s: &mut Steps, name: &str) -> CaseResult {
    let done = s.call(format!("fault({name})"), |()| "ok".into(), || ask(name));
    s.check("the kernel knows this fault", done != Err(Errno::ENOENT) && done != Err(Errno::EIO), "it does not");
    Ok(())
}

/// Triggers a fault on a processor that nothing else runs on, so that the fault always blocks the same tasks.
fn fault_alone(s: &mut Steps, name: &str) -> CaseResult {
    let only = |number| {
        let mut set = CpuSet::new();
        set.set(number).map(|()| set)
    };
    let (first, second) = (only(0).or_broken("processor 0")?, only(1).or_broken("processor 1")?);
    for entry in fs::read_dir("/proc").or_broken("/proc")?.flatten() {
        if let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) {
            // Per-CPU kernel threads cannot be moved, and need not be.
            let _ = sched_setaffinity(Pid::from_raw(pid), &first);
        }
    }
    sched_setaffinity(Pid::from_raw(0), &second).or_broken("sched_setaffinity")?;
    fault(s, name)
}

fn ask(request: &str) -> nix::Result<()> {
    fs::write(MISBEHAVE, request).map_err(|error| error.raw_os_error().map_or(Errno::EIO, Errno::from_raw))
}

fn leak_buffer(s: &mut Steps, on: CaseParams) -> CaseResult {
    let buffer = s.export(on.exporter, 1)?;
    let number = buffer.primary.number();
    let done = s.call("fault(leak_file, primary)", |()| "ok".into(), || ask(&format!("leak_file {number}")));
    s.equal("the reference is taken", done, Ok(()));
    Ok(())
}

fn fault_with_file(s: &mut Steps, name: &str) -> CaseResult {
    let memfd = memfd_create(c"file", MFdFlags::MFD_CLOEXEC).or_broken("memfd_create")?;
    let number = memfd.as_raw_fd();
    let done = s.call(format!("fault({name}, file)"), |()| "ok".into(), || ask(&format!("{name} {number}")));
    s.equal("the fault is triggered", done, Ok(()));
    Ok(())
}
