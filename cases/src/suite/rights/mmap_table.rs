//! The table of protection, sharing and access mode for mmap(2).

use std::os::fd::AsFd;

use nix::libc;

use crate::case::Judgement::Contract;
use crate::exporter::Exporter;
use crate::fixture::fd::Fd;
use crate::fixture::mapping::{RW, prot_text, sharing_text};
use crate::steps::{Step, Steps, outcome_name};
use crate::uapi::memory::{self, PAGE};

crate::case! {
    /// A shared mapping of an alias has the rights of its access mode: a read-only alias gives R and refuses W and RW
    /// with EACCES, a read-write alias gives all three. Execution, private reading and mapping past the end are answered
    /// as the primary answers them.
    "R-3", Contract, Exporter::MAIN, [Derive]
}

pub(super) const SHARED: [i32; 2] = [libc::MAP_SHARED, libc::MAP_SHARED_VALIDATE];
const RX: i32 = libc::PROT_READ | libc::PROT_EXEC;

fn run(s: &mut Steps, exporter: Exporter) -> Step {
    let primary = s.export(exporter, 2)?.primary;
    let family = s.family(primary)?;
    for (fd, writable) in
        [(&family.primary, true), (&family.read_write, true), (&family.read_only, false), (&family.second, false)]
    {
        shared(s, fd, "ok", if writable { "ok" } else { "EACCES" });
    }
    let model = &family.primary;
    for fd in [&family.read_write, &family.read_only, &family.second] {
        for (prot, flags) in [
            (RX, libc::MAP_SHARED),
            (RX, libc::MAP_SHARED_VALIDATE),
            (RX, libc::MAP_PRIVATE),
            (libc::PROT_READ, libc::MAP_PRIVATE),
        ] {
            let sentence =
                format!("mmap({}, {}, {}) is as on the primary", fd.name, prot_text(prot), sharing_text(flags));
            s.equal(sentence, outcome(fd, 2, prot, flags), outcome(model, 2, prot, flags));
        }
        s.equal(
            format!("mmap past the end of {}", fd.name),
            outcome(fd, 3, libc::PROT_READ, libc::MAP_SHARED),
            "EINVAL".into(),
        );
    }
    Ok(())
}

/// Asks for every shared mapping; `read` and `write` are the answers that the mode calls for.
pub(super) fn shared(s: &mut Steps, fd: &Fd, read: &str, write: &str) {
    for flags in SHARED {
        for (prot, want) in [(libc::PROT_READ, read), (libc::PROT_WRITE, write), (RW, write)] {
            let sentence = format!("mmap({}, {}, {})", fd.name, prot_text(prot), sharing_text(flags));
            s.equal(sentence, outcome(fd, 1, prot, flags).as_str(), want);
        }
    }
}

/// `ok` or the errno of a mapping that is undone at once.
pub(super) fn outcome(fd: &Fd, pages: usize, prot: i32, flags: i32) -> String {
    outcome_name(&memory::map(fd.as_fd(), pages * PAGE, prot, flags, 0))
}
