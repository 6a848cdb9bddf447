//! The table of protection, sharing and access mode for mmap(2).

use crate::prelude::*;

case! {
    /// A shared mapping of an alias has the rights of its access mode: a read-only alias allows R and refuses W and RW
    /// with EACCES, a read-write alias allows all three. PROT_EXEC and private read-only mappings are granted only
    /// where the primary grants them, and ranges past the end give EINVAL. A heap buffer allows mappings of the access
    /// mode it was exported with: O_RDWR all, O_RDONLY only reading, O_WRONLY and mode 3 none, not even a private one,
    /// because every mapping reads.
    "R-3", Contract, Exporter::WITH_DEVICES, [], [ALIASES, EXPORTED.only_on(Exporter::HEAP)]
}

const SHARED: [i32; 2] = [libc::MAP_SHARED, libc::MAP_SHARED_VALIDATE];
const RX: i32 = libc::PROT_READ | libc::PROT_EXEC;

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    if on.fds() == FdKind::Exported {
        return heap_modes(s);
    }
    let primary = s.export(on.exporter, 2)?.primary;
    let descriptors = s.descriptors(primary)?;
    for (fd, writable) in [
        (&descriptors.primary, true),
        (&descriptors.read_write, true),
        (&descriptors.read_only, false),
        (&descriptors.second, false),
    ] {
        shared(s, fd, "ok", if writable { "ok" } else { "EACCES" });
    }
    let model = &descriptors.primary;
    for fd in [&descriptors.read_write, &descriptors.read_only, &descriptors.second] {
        for (prot, flags) in [(RX, libc::MAP_SHARED), (RX, libc::MAP_SHARED_VALIDATE), (RX, libc::MAP_PRIVATE)] {
            let (got, most) = (outcome(fd, 2, prot, flags), outcome(model, 2, prot, flags));
            let what = format!("mmap({}, {}, {})", fd.name, prot_text(prot), sharing_text(flags));
            s.check(format!("{what} no more than on the primary"), got == most || got != "ok", "it is granted");
        }
        s.equal(
            format!("mmap past the end of {}", fd.name),
            outcome(fd, 3, libc::PROT_READ, libc::MAP_SHARED),
            "EINVAL".into(),
        );
    }
    Ok(())
}

fn heap_modes(s: &mut Steps) -> CaseResult {
    for (name, mode, read, write) in [
        ("O_RDWR heap buffer", libc::O_RDWR, "ok", "ok"),
        ("O_RDONLY heap buffer", libc::O_RDONLY, "ok", "EACCES"),
        ("O_WRONLY heap buffer", libc::O_WRONLY, "EACCES", "EACCES"),
        ("mode 3 heap buffer", libc::O_ACCMODE, "EACCES", "EACCES"),
    ] {
        let fd = s.heap_export(name, 1, (mode | libc::O_CLOEXEC) as u32)?;
        shared(s, &fd, read, write);
        if read != "ok" {
            for prot in [libc::PROT_READ, libc::PROT_WRITE, RW, RX] {
                let got = outcome(&fd, 1, prot, libc::MAP_PRIVATE);
                s.equal(format!("mmap({name}, {}, PRIVATE)", prot_text(prot)), got.as_str(), "EACCES");
            }
        }
    }
    Ok(())
}

/// Tries every shared mapping; `read` and `write` are the expected results.
pub(super) fn shared(s: &mut Steps, fd: &Fd, read: &str, write: &str) {
    for flags in SHARED {
        for (prot, want) in [(libc::PROT_READ, read), (libc::PROT_WRITE, write), (RW, write)] {
            let sentence = format!("mmap({}, {}, {})", fd.name, prot_text(prot), sharing_text(flags));
            s.equal(sentence, outcome(fd, 1, prot, flags).as_str(), want);
        }
    }
}

/// `ok` or the errno of a mapping, which is unmapped at once.
pub(super) fn outcome(fd: &Fd, pages: usize, prot: i32, flags: i32) -> String {
    outcome_name(&memory::map(fd.as_fd(), pages * PAGE, prot, flags, 0))
}
