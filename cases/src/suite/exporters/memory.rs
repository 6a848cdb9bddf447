//! The memory that a buffer takes besides its pages.

use crate::prelude::*;

case! {
    /// Eighty buffers that are exported and closed give the kernel's small objects back: by its own count they do not grow by
    /// one for each buffer. The area of the CMA heap is whole again after buffers of a quarter of it.
    "L-11", Contract, Exporter::DRIVERS, [TestImporter],
    relies on [Listing]
}

const BUFFERS: usize = 80;
/// So many that an array of pointers to them is large enough to be counted.
const PAGES: usize = 8;

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let caches = SlabCaches::all()?;
    let exporting = Exporting::prepare(on.exporter, PAGES).or_broken("preparing an export")?;
    let exported = |count| (0..count).try_for_each(|_| exporting.export().map(drop));
    let freed = caches.grow_with_any(BUFFERS, &[("export and close", &exported)])?;
    s.holds(format!("{BUFFERS} buffers exported and closed: no memory is lost"), freed);
    if on.exporter == Exporter::CmaHeap {
        let quarter = number_in("/proc/meminfo", "CmaTotal:")? * 1024 / PAGE / 4;
        let found = settled(drain_if_possible, || Ok(whole_again(quarter)))?;
        s.holds(format!("{QUARTERS} buffers of a quarter of the area, one after the other"), found);
    }
    Ok(())
}

/// More than the area has: if each buffer kept a page, there would be no free quarter left.
const QUARTERS: usize = 6;

fn whole_again(quarter: usize) -> Result<(), String> {
    (1..=QUARTERS).try_for_each(|number| {
        let made = export(Exporter::CmaHeap, quarter).map(drop);
        made.map_err(|errno| format!("number {number}: {}", errno_name(errno)))
    })
}
