//! As `walk`, without deriving: judged with and without the patch.

use crate::case::Judgement::Contract;
use crate::exporter::Exporter;
use crate::steps::{Step, Steps};
use crate::suite::rights::walk::{Tools, heap_modes};

crate::case! {
    /// From heap buffers that were exported with fewer rights: no sequence of up to four steps out of dup, F_DUPFD,
    /// F_SETFL, an SCM_RIGHTS round trip and pidfd_getfd gains a right.
    "R-2", Contract, Exporter::HEAP, []
}

fn run(s: &mut Steps, _: Exporter) -> Step {
    heap_modes(s, &Tools::new(false)?)
}
