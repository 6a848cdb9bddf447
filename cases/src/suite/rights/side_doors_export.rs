//! As `side_doors`, for a buffer that the heap exported read-only: judged with and without the patch.

use nix::libc;

use crate::case::Judgement::Contract;
use crate::exporter::Exporter;
use crate::steps::{Step, Steps};
use crate::suite::rights::side_doors::attack;

crate::case! {
    /// /proc/self/mem, process_vm_writev and ptrace do not write through a shared mapping of a buffer that was exported
    /// O_RDONLY.
    "R-6", Contract, Exporter::HEAP, []
}

fn run(s: &mut Steps, _: Exporter) -> Step {
    let fd = s.heap_export("O_RDONLY heap buffer", 1, (libc::O_RDONLY | libc::O_CLOEXEC) as u32)?;
    attack(s, &fd)
}
