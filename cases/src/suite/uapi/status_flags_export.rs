//! F_GETFL and FD_CLOEXEC of exported descriptors.

use crate::prelude::*;

case! {
    /// Records what F_GETFL and F_GETFD return for a descriptor of each exporter, for every flag that can be passed to
    /// the heap, and which status flags F_SETFL can change. Aliases are compared with this.
    "UAPI-5", Record, Exporter::COMMON, []
}

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    if on.exporter == Exporter::SystemHeap {
        for mode in [libc::O_RDONLY, libc::O_WRONLY, libc::O_RDWR, libc::O_ACCMODE] {
            for extra in [0, libc::O_CLOEXEC] {
                asked(s, (mode | extra) as u32);
            }
        }
        for extra in [libc::O_APPEND, libc::O_NONBLOCK, libc::O_DIRECT, libc::O_TRUNC, libc::O_PATH] {
            asked(s, (libc::O_RDWR | extra) as u32);
        }
    }
    let primary = s.export(on.exporter, 1)?.primary;
    s.note(format!("as exported: {}", told(&primary)));
    for (name, flag) in [
        ("O_APPEND", libc::O_APPEND),
        ("O_NONBLOCK", libc::O_NONBLOCK),
        ("O_ASYNC", libc::O_ASYNC),
        ("O_DIRECT", libc::O_DIRECT),
        ("O_NOATIME", libc::O_NOATIME),
        ("O_SYNC", libc::O_SYNC),
        ("O_RDONLY", libc::O_RDONLY),
    ] {
        let set = fcntl(primary.number(), libc::F_SETFL, flag);
        s.note(format!("F_SETFL {name}: {}, then {}", outcome_name(&set), told(&primary)));
        let _ = fcntl(primary.number(), libc::F_SETFL, 0);
    }
    Ok(())
}

fn asked(s: &mut Steps, flags: u32) {
    let answer = match heap(1, flags) {
        Ok(fd) => told(&Fd::new("heap buffer", fd)),
        Err(errno) => errno_name(errno),
    };
    s.note(format!("requested {}: {answer}", flags_text(flags)));
}

fn told(fd: &Fd) -> String {
    let status = fcntl(fd.number(), libc::F_GETFL, 0).map_or_else(errno_name, |flags| flags_text(flags as u32));
    let descriptor = match fcntl(fd.number(), libc::F_GETFD, 0) {
        Ok(0) => "no FD_CLOEXEC".into(),
        Ok(libc::FD_CLOEXEC) => "FD_CLOEXEC".into(),
        Ok(other) => format!("{other:#x}"),
        Err(errno) => errno_name(errno),
    };
    format!("F_GETFL {status}, {descriptor}")
}
