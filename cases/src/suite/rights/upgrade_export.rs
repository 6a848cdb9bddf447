//! As `upgrade`, for a buffer that the heap exported read-only: judged with and without the patch.

use nix::libc;

use crate::case::Judgement::Contract;
use crate::exporter::Exporter;
use crate::steps::{Step, Steps};
use crate::suite::rights::upgrade::attack;

crate::case! {
    /// A shared mapping of a buffer that was exported O_RDONLY does not become writable by mprotect, mremap or
    /// remap_file_pages.
    "R-4", Contract, Exporter::HEAP, []
}

fn run(s: &mut Steps, _: Exporter) -> Step {
    let fd = s.heap_export("O_RDONLY heap buffer", 2, (libc::O_RDONLY | libc::O_CLOEXEC) as u32)?;
    attack(s, &fd)
}
