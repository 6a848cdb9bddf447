//! Mapping an import through the node of a display.

use crate::prelude::*;
use crate::suite::hazards::node_mapping;

case! {
    /// As hazards/node_mapping, with vkms: a display whose node maps its imports for writing.
    "H-6", Hazard("drm_gem_shmem_mmap() calls dma_buf_mmap(), which maps the primary file and asks for no access mode"),
    Exporter::MAIN, [TestImporter, Display], [ALIASES, EXPORTED.only_on(Exporter::HEAP)],
    relies on [Importing]
}

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    node_mapping::through(s, on, &Vgem::vkms()?)
}
