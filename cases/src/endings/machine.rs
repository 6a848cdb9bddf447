//! Cases that turn on the machine.

use std::fs;

use nix::libc;
use nix::sys::reboot::{RebootMode, reboot};

use super::{Ending, ending};
use crate::steps::{OrBroken, Step, Steps};
use crate::variant::On;

pub(super) const ENDINGS: &[Ending] = &[
    ending!("reboot", "The case restarts the machine.", Brief, Lost, ["restarted without a word"], |s, _| {
        leave(s, "RB_AUTOBOOT", RebootMode::RB_AUTOBOOT)
    }),
    ending!("halt", "The case halts the machine.", Brief, Lost, ["the guest did not end it"], |s, _| {
        leave(s, "RB_HALT_SYSTEM", RebootMode::RB_HALT_SYSTEM)
    }),
    ending!("sysrq_crash", "The case asks the kernel to crash.", Brief, Fail, ["Kernel panic", "sysrq"], |s, _| {
        sysrq(s, "c")
    }),
    ending!(
        "sysrq_restart",
        "The case asks for a restart at once.",
        Brief,
        Lost,
        ["restarted without a word"],
        |s, _| { sysrq(s, "b") }
    ),
    ending!(
        "channel_cut_in_a_record",
        "The machine restarts while a record is on its way.",
        Brief,
        Lost,
        ["restarted without a word"],
        cut
    ),
];

fn leave(s: &mut Steps, name: &str, how: RebootMode) -> Step {
    let _ = s.call(format!("reboot({name})"), |_| "ok".into(), || reboot(how).map(drop));
    Ok(())
}

fn sysrq(s: &mut Steps, key: &str) -> Step {
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

fn cut(s: &mut Steps, _on: On) -> Step {
    s.note("the next record ends in the middle");
    s.channel().raw(br#"{"seq":99,"r":"call","te"#);
    s.channel().drain();
    reboot(RebootMode::RB_AUTOBOOT).or_broken("reboot").map(drop)
}
