//! Which flags DERIVE takes.

use nix::errno::Errno;
use nix::libc;

use crate::case::Judgement::Contract;
use crate::exporter::Exporter;
use crate::fixture::books::next_number;
use crate::fixture::facts::fdinfo;
use crate::fixture::fd::{Fd, flags_text};
use crate::steps::{OrBroken, Step, Steps, errno_name, outcome_name};
use crate::uapi::dma_buf::{self, Derive, POISON};

crate::case! {
    /// DERIVE takes O_RDONLY and O_RDWR, each with or without O_CLOEXEC. Every other bit by itself, O_WRONLY and access
    /// mode 3 give EINVAL, write nothing into the structure, and allocate neither a descriptor nor a reference.
    "UAPI-2", Contract, Exporter::MAIN, [Derive]
}

fn run(s: &mut Steps, exporter: Exporter) -> Step {
    let primary = s.export(exporter, 1)?.primary;
    for mode in [libc::O_RDONLY, libc::O_RDWR] {
        for cloexec in [0, libc::O_CLOEXEC] {
            let flags = (mode | cloexec) as u32;
            let alias = s.derive("alias", &primary, flags);
            s.equal(format!("{} is accepted", flags_text(flags)), outcome_name(&alias), "ok".to_string());
        }
    }

    let valid = (libc::O_ACCMODE | libc::O_CLOEXEC) as u32;
    let next = next_number(&primary)?;
    let count = count(&primary)?;
    for flags in [libc::O_WRONLY as u32, libc::O_ACCMODE as u32, (libc::O_WRONLY | libc::O_CLOEXEC) as u32] {
        refused(s, &primary, flags);
    }
    // Each unknown bit alone beside a mode that is valid, so that nothing else can be the reason for a refusal.
    for bit in (0..32).map(|shift| 1u32 << shift).filter(|bit| bit & valid == 0) {
        refused(s, &primary, bit);
        if attempt(&primary, bit | libc::O_RDWR as u32).0 != "EINVAL" {
            refused(s, &primary, bit | libc::O_RDWR as u32);
        }
    }
    s.equal("no descriptor was allocated", next_number(&primary)? - next, 0);
    s.equal("no reference was taken", self::count(&primary)? - count, 0);
    Ok(())
}

fn refused(s: &mut Steps, primary: &Fd, flags: u32) {
    let (got, after) = attempt(primary, flags);
    let untouched = after == Derive { flags, fd: POISON };
    s.check(
        format!("{} is EINVAL and leaves the structure alone", flags_text(flags)),
        got == "EINVAL" && untouched,
        format_args!("it gave {got}{}", if untouched { "" } else { " and wrote into the structure" }),
    );
}

fn attempt(primary: &Fd, flags: u32) -> (String, Derive) {
    let mut argument = Derive { flags, fd: POISON };
    let result = dma_buf::derive_with(primary.number(), &mut argument);
    if result.is_ok() && argument.fd >= 0 {
        drop(dma_buf::take_derived(&argument));
    }
    (outcome_name(&result), argument)
}

fn count(primary: &Fd) -> Step<i64> {
    let info = fdinfo(primary).map_err(|errno: Errno| errno_name(errno)).or_broken("fdinfo")?;
    Ok(info.count)
}
