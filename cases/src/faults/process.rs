//! Cases whose process does not end by returning from the case.

use std::os::fd::AsFd;

use nix::libc;
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{Signal, raise};
use nix::unistd::{execv, ftruncate};

use super::{FaultCase, fault_case};
use crate::steps::{CaseResult, OrBroken, Steps};
use crate::uapi::arch::trap;
use crate::uapi::close_everything;
use crate::uapi::memory::{self, PAGE};
use crate::variant::CaseParams;

pub(super) const FAULT_CASES: &[FaultCase] = &[
    fault_case!("sigsegv", "The case reads memory without access rights.", Brief, Fail, ["SIGSEGV"], |s, _| {
        let mapping = memory::anonymous(PAGE, libc::PROT_NONE).or_broken("mmap")?;
        dies(s, "read(no access)", || _ = mapping.read(0))
    }),
    fault_case!("sigbus", "The case reads a mapping past the end of its file.", Brief, Fail, ["SIGBUS"], |s, _| {
        let memfd = memfd_create(c"cut", MFdFlags::MFD_CLOEXEC).or_broken("memfd_create")?;
        ftruncate(&memfd, PAGE as i64).or_broken("ftruncate")?;
        let mapping = memory::map(memfd.as_fd(), PAGE, libc::PROT_READ, libc::MAP_SHARED, 0).or_broken("mmap")?;
        ftruncate(&memfd, 0).or_broken("ftruncate")?;
        dies(s, "read(past the end)", || _ = mapping.read(0))
    }),
    fault_case!("sigill", "The case executes an invalid instruction.", Brief, Fail, ["SIGILL"], |s, _| {
        dies(s, "undefined instruction", trap::undefined_instruction)
    }),
    fault_case!("sigfpe", "The case divides by zero.", Brief, Fail, ["SIGFPE"], |s, _| dies(
        s,
        "1 / 0",
        trap::divide_by_zero
    )),
    fault_case!("sigtrap", "The case hits a breakpoint.", Brief, Fail, ["SIGTRAP"], |s, _| dies(
        s,
        "breakpoint",
        trap::breakpoint
    )),
    fault_case!("sigabrt", "The case aborts.", Brief, Fail, ["SIGABRT"], |s, _| dies(s, "abort()", || {
        std::process::abort()
    })),
    fault_case!("sigkill", "The case is killed.", Brief, Fail, ["SIGKILL"], |s, _| dies_of(s, Signal::SIGKILL)),
    fault_case!("sigterm", "The case is terminated.", Brief, Fail, ["SIGTERM"], |s, _| dies_of(s, Signal::SIGTERM)),
    fault_case!("sigsys", "The case is killed for a forbidden system call.", Brief, Fail, ["SIGSYS"], |s, _| dies_of(
        s,
        Signal::SIGSYS
    )),
    fault_case!("sigxfsz", "The case exceeds its file size limit.", Brief, Fail, ["SIGXFSZ"], |s, _| {
        setrlimit(Resource::RLIMIT_FSIZE, 0, 0).or_broken("setrlimit")?;
        dies(s, "write(beyond the limit)", || _ = std::fs::write("/tmp/large", b"x"))
    }),
    fault_case!("sigxcpu", "The case exceeds its CPU time limit.", Patient, Fail, ["SIGXCPU"], |s, _| {
        setrlimit(Resource::RLIMIT_CPU, 1, 60).or_broken("setrlimit")?;
        dies(s, "loop(until the limit)", spin)
    }),
    fault_case!("stopped", "The case stops itself.", Brief, Fail, ["did not end within its limit"], |s, _| dies_of(
        s,
        Signal::SIGSTOP
    )),
    fault_case!("loop_in_user_space", "The case loops.", Brief, Fail, ["did not end within its limit"], |s, _| dies(
        s, "loop", spin
    )),
    fault_case!(
        "waits_for_ever",
        "The case waits for a signal that never comes.",
        Brief,
        Fail,
        ["did not end within its limit"],
        |s, _| { dies(s, "pause()", nix::unistd::pause) }
    ),
    fault_case!(
        "exits_with_success",
        "The case's process exits with status 0 and without a result.",
        Brief,
        Broken,
        ["no outcome"],
        |s, _| { dies(s, "exit(0)", || std::process::exit(0)) }
    ),
    fault_case!(
        "exits_with_a_status",
        "The case's process exits with a non-zero status.",
        Brief,
        Broken,
        ["status 7"],
        |s, _| { dies(s, "exit(7)", || std::process::exit(7)) }
    ),
    fault_case!("panics", "The case panics.", Brief, Broken, ["status 101"], |s, _| {
        dies(s, "panic", || std::panic::resume_unwind(Box::new("on purpose")))
    }),
    fault_case!(
        "becomes_another_program",
        "The case executes another program.",
        Brief,
        Broken,
        ["status 2"],
        |s, _| { dies(s, "execve(/init unknown)", || _ = execv(c"/init", &[c"/init", c"unknown"])) }
    ),
    fault_case!(
        "closes_every_descriptor",
        "The case closes all descriptors, also those of the runner, and a check fails.",
        Brief,
        Fail,
        ["without a descriptor"],
        |s, _| {
            let closed = s.call("close_range(3, all)", |()| "ok".into(), || close_everything(3));
            s.equal("the descriptors are closed", closed, Ok(()));
            s.check("results arrive without a descriptor", false, "false on purpose");
            Ok(())
        }
    ),
    fault_case!("tests_nothing", "The case returns without a check.", Brief, Broken, ["tested nothing"], |_, _| Ok(())),
    fault_case!(
        "a_check_fails",
        "A check of the case does not hold.",
        Brief,
        Fail,
        ["two is three"],
        |s: &mut Steps, _: CaseParams| {
            s.check("two is three", false, "false on purpose");
            Ok(())
        }
    ),
];

/// Makes a call that does not return.
fn dies(s: &mut Steps, text: &str, act: impl FnOnce()) -> CaseResult {
    let _ = s.call(
        text,
        |()| "returned".into(),
        || {
            act();
            Ok(())
        },
    );
    s.note("still alive");
    Ok(())
}

fn dies_of(s: &mut Steps, signal: Signal) -> CaseResult {
    dies(s, &format!("raise({signal})"), || _ = raise(signal))
}

pub(super) fn spin() {
    loop {
        std::hint::spin_loop();
    }
}
