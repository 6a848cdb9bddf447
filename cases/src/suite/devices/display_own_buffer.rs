//! A read-only alias of a display's own buffer, imported by the same display.

use crate::prelude::*;
use crate::suite::hazards::self_import;

case! {
    /// As hazards/self_import, with vkms: a display that takes its own buffer for what it is, and whose node maps it for writing.
    "H-7", Hazard("the import function of the shmem helpers recognises a buffer of its own device and takes the object, which knows no access mode"),
    Exporter::HEAP, [Display], [ALIASES, EXPORTED],
    relies on [Importing]
}

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    self_import::through(s, on, Vgem::vkms)
}
