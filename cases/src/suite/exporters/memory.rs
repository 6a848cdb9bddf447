//! The memory that a buffer takes besides its pages.

use crate::prelude::*;

case! {
    /// Eighty buffers that are exported and closed give the kernel's small objects back: by its own count they do not grow by
    /// one for each buffer.
    "L-11", Contract, Exporter::DRIVERS, [TestImporter],
    relies on [Listing]
}

const BUFFERS: usize = 80;

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let caches = SlabCaches::all()?;
    let exporting = Exporting::prepare(on.exporter, 1).or_broken("preparing an export")?;
    let exported = |count| (0..count).try_for_each(|_| exporting.export().map(drop));
    let freed = caches.grow_with_any(BUFFERS, &[("export and close", &exported)])?;
    s.holds(format!("{BUFFERS} buffers exported and closed: no memory is lost"), freed);
    Ok(())
}
