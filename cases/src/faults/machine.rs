//! Cases that stop or restart the machine.

use std::fs;

use nix::libc;
use nix::sys::reboot::{RebootMode, reboot};

use super::{FaultCase, fault_case};
use crate::steps::{CaseResult, OrBroken, Steps};
use crate::variant::CaseParams;

pub(super) const FAULT_CASES: &[FaultCase] = &[
    fault_case!("reboot", "The case restarts the machine.", Brief, Lost, ["restarted without a message"], |s, _| {
        leave(s, "RB_AUTOBOOT", RebootMode::RB_AUTOBOOT)
    }),
    fault_case!("halt", "The case halts the machine.", Brief, Lost, ["the guest did not end it"], |s, _| {
        leave(s, "RB_HALT_SYSTEM", RebootMode::RB_HALT_SYSTEM)
    }),
    fault_case!(
        "sysrq_crash",
        "The case crashes the kernel by SysRq.",
        Brief,
        Fail,
        ["Kernel panic", "sysrq"],
        |s, _| { sysrq(s, "c") }
    ),
    fault_case!(
        "sysrq_restart",
        "The case restarts the machine by SysRq.",
        Brief,
        Lost,
        ["restarted without a message"],
        |s, _| { sysrq(s, "b") }
    ),
    fault_case!(
        "channel_cut_in_a_record",
        "The machine restarts in the middle of a record.",
        Brief,
        Lost,
        ["restarted without a message"],
        cut
    ),
];

fn leave(s: &mut Steps, name: &str, how: RebootMode) -> CaseResult {
    let _ = s.call(format!("reboot({name})"), |_| "ok".into(), || reboot(how).map(drop));
    Ok(())
}

fn sysrq(s: &mut Steps, key: &str) -> CaseResult {
    let asked = s.call(
        format!("write(/proc/sysrq-trigger, {key})"),
        |()| "ok".into(),
        || {
            fs::write("/proc/sysrq-trigger", key)
                .map_err(|error| nix::errno::Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO)))
        },
    );
    asked.or_broken("sysrq")
}

fn cut(s: &mut Steps, _on: CaseParams) -> CaseResult {
    s.note("the next record is cut off");
    s.channel().raw(br#"{"seq":99,"r":"call","te"#);
    s.channel().drain();
    reboot(RebootMode::RB_AUTOBOOT).or_broken("reboot").map(drop)
}
