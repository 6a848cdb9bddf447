//! Which flags DERIVE accepts.

use crate::prelude::*;

case! {
    /// DERIVE accepts O_RDONLY and O_RDWR, each with or without O_CLOEXEC. Every other single bit, O_WRONLY and access
    /// mode 3 give EINVAL, do not write to the structure, and allocate no descriptor and no reference.
    "UAPI-2", Contract, Exporter::MAIN, [Derive]
}

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let primary = s.export(on.exporter, 1)?.primary;
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
        let sentence = format!("{} gives EINVAL and does not change the structure", flags_text(flags));
        s.holds(sentence, refused(&primary, flags));
    }
    // Each unknown bit together with a valid mode, so that only the bit can be the reason for EINVAL.
    for mode in [libc::O_RDONLY as u32, libc::O_RDWR as u32] {
        let mut unknown = (0..32).map(|shift| 1u32 << shift).filter(|bit| bit & valid == 0).map(|bit| bit | mode);
        s.holds(
            format!("{} with any one unknown bit gives EINVAL and does not change the structure", flags_text(mode)),
            unknown.try_for_each(|flags| refused(&primary, flags)),
        );
    }
    s.equal("no descriptor was allocated", next_number(&primary)? - next, 0);
    s.equal("no reference was taken", self::count(&primary)? - count, 0);
    Ok(())
}

/// Whether `flags` give EINVAL and change nothing.
fn refused(primary: &Fd, flags: u32) -> Result<(), String> {
    let mut argument = DeriveArgs { flags, fd: POISON };
    let result = derive_with(primary.number(), &mut argument);
    if result.is_ok() && argument.fd >= 0 {
        drop(take_derived(&argument));
    }
    let (asked, got) = (flags_text(flags), outcome_name(&result));
    ensure(result == Err(Errno::EINVAL), || format!("{asked} returned {got}"))?;
    ensure(argument == DeriveArgs { flags, fd: POISON }, || {
        format!("{asked} returned EINVAL and wrote to the structure")
    })
}

/// The count in fdinfo, after deferred work where the test importer can wait for it.
fn count(primary: &Fd) -> CaseResult<i64> {
    drain_if_possible()?;
    let info = fdinfo(primary).or_broken("fdinfo")?;
    Ok(info.count)
}
