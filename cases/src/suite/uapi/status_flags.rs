//! FD_CLOEXEC and F_GETFL of an alias.

use crate::prelude::*;

case! {
    /// FD_CLOEXEC of an alias is set exactly if O_CLOEXEC was requested, whether or not the calling descriptor has it.
    /// F_GETFL of an alias is the requested access mode and nothing else, also if status flags are set on the calling
    /// descriptor.
    "UAPI-5", Contract, Exporter::MAIN, [Derive]
}

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let primary = s.export(on.exporter, 1)?.primary;
    let kept = s.dup("duplicate without FD_CLOEXEC", &primary)?;
    each(s, &primary)?;
    each(s, &kept)?;

    let status = libc::O_APPEND | libc::O_NONBLOCK;
    let set = s.call(
        "fcntl(primary, F_SETFL, O_APPEND|O_NONBLOCK)",
        |_| "ok".into(),
        || fcntl(primary.number(), libc::F_SETFL, status),
    );
    s.succeeds("the primary takes status flags, as every open file does", set)?;
    s.note("with O_APPEND and O_NONBLOCK set on the primary:");
    each(s, &primary)?;
    let left = fcntl(primary.number(), libc::F_GETFL, 0).map(|flags| flags & status);
    s.equal("the primary keeps its own status flags", left, Ok::<_, Errno>(status));
    Ok(())
}

fn each(s: &mut Steps, source: &Fd) -> CaseResult {
    for mode in [libc::O_RDONLY, libc::O_RDWR] {
        for cloexec in [0, libc::O_CLOEXEC] {
            let flags = (mode | cloexec) as u32;
            let alias = s.must_derive("alias", source, flags)?;
            let want = if cloexec == 0 { 0 } else { libc::FD_CLOEXEC };
            let got = fcntl(alias.number(), libc::F_GETFD, 0);
            let word = if cloexec == 0 { "not set" } else { "set" };
            let detail = got.map_or_else(errno_name, |got| format!("F_GETFD returned {got}"));
            s.check(format!("{}: FD_CLOEXEC is {word}", flags_text(flags)), got == Ok(want), detail);
            let got = fcntl(alias.number(), libc::F_GETFL, 0);
            let holds = got == Ok(mode);
            let detail = got.map_or_else(errno_name, |got| format!("it is {}", flags_text(got as u32)));
            s.check(format!("{}: F_GETFL is {}", flags_text(flags), flags_text(mode as u32)), holds, detail);
        }
    }
    Ok(())
}
