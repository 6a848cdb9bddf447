//! As `mmap_table`, for the access modes that the heap hands out itself: judged with and without the patch.

use nix::libc;

use crate::case::Judgement::Contract;
use crate::exporter::Exporter;
use crate::fixture::mapping::{RW, prot_text};
use crate::steps::{Step, Steps};
use crate::suite::rights::mmap_table::{outcome, shared};

crate::case! {
    /// A buffer that was exported with an access mode gives mappings of that mode: O_RDWR all, O_RDONLY only reading,
    /// O_WRONLY and mode 3 none, not even a private one, because every mapping reads.
    "R-3", Contract, Exporter::HEAP, []
}

fn run(s: &mut Steps, _: Exporter) -> Step {
    for (name, mode, read, write) in [
        ("O_RDWR heap buffer", libc::O_RDWR, "ok", "ok"),
        ("O_RDONLY heap buffer", libc::O_RDONLY, "ok", "EACCES"),
        ("O_WRONLY heap buffer", libc::O_WRONLY, "EACCES", "EACCES"),
        ("mode 3 heap buffer", libc::O_ACCMODE, "EACCES", "EACCES"),
    ] {
        let fd = s.heap_export(name, 1, (mode | libc::O_CLOEXEC) as u32)?;
        shared(s, &fd, read, write);
        if read != "ok" {
            for prot in [libc::PROT_READ, libc::PROT_WRITE, RW, libc::PROT_READ | libc::PROT_EXEC] {
                let got = outcome(&fd, 1, prot, libc::MAP_PRIVATE);
                s.equal(format!("mmap({name}, {}, PRIVATE)", prot_text(prot)), got.as_str(), "EACCES");
            }
        }
    }
    Ok(())
}
