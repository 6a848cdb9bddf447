//! The memory of names.

use crate::prelude::*;

case! {
    /// A buffer that is named again and again, and buffers that are named and closed, give the memory of their names
    /// back: many rounds take no more pages of the kernel's slab caches than the few that other parts of it take.
    "PROC-2", Contract, Exporter::HEAP, [TestImporter]
}

/// A name takes at least 32 bytes, so a leak of every name takes at least 16 pages.
const NAMES: usize = 2048;
/// Each buffer is named three times, and its own memory has to be freed as well.
const BUFFERS: usize = 384;
/// Pages that the caches may grow by while others use them.
const SLACK: u32 = 6;

fn run(s: &mut Steps, on: On) -> CaseResult {
    let primary = s.export(on.exporter, 1)?.primary;
    let importer = Importer::open().or_broken("opening the test importer")?;
    let slab = || -> CaseResult<u32> {
        importer.drain().or_broken("draining deferred work")?;
        Ok(importer.totals().or_broken("totals")?.slab_pages)
    };
    let name = |_| set_name(primary.as_fd(), c"a-name-of-thirty-one-letters-xx");
    let named = grows(&slab, NAMES, name)?;
    s.holds(format!("{NAMES} names of one buffer: the memory of the old ones is freed"), named);

    let exporting = Exporting::prepare(on.exporter, 1).or_broken("preparing an export")?;
    let closed = grows(&slab, BUFFERS, |_| {
        let buffer = exporting.export()?;
        (0..3).try_for_each(|_| set_name(buffer.as_fd(), c"a-name-of-thirty-one-letters-xx"))
    })?;
    s.holds(format!("{BUFFERS} named buffers closed: the memory of their names is freed"), closed);
    Ok(())
}

/// Whether the slab caches grow in both of two rounds. The first one may fill caches and KASAN's quarantine.
fn grows(
    slab: &dyn Fn() -> CaseResult<u32>,
    count: usize,
    act: impl Fn(usize) -> Result<(), Errno>,
) -> CaseResult<Result<(), String>> {
    let mut smallest = u32::MAX;
    for _ in 0..2 {
        let before = slab()?;
        if let Err(errno) = (0..count).try_for_each(&act) {
            return Ok(Err(gave(errno)));
        }
        smallest = smallest.min(slab()?.saturating_sub(before));
    }
    Ok(ensure(smallest <= SLACK, || format!("{smallest} more pages in use after each round")))
}
