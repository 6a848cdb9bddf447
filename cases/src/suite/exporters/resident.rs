//! What a mapping of a buffer counts as in the program.

use crate::prelude::*;

case! {
    /// Pages of a buffer of a heap or of a DRM driver that a program maps and touches are not counted as its resident memory, neither of files nor of
    /// shared memory: they stay when the program ends.
    "EXP-8", Contract, &[Exporter::SystemHeap, Exporter::CmaHeap, Exporter::Vgem], []
}

/// Enough to stand out from what the kernel counts late, on each processor.
const PAGES: usize = 512;

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let buffer = s.export(on.exporter, PAGES)?;
    let mapped = memory::map(buffer.primary.as_fd(), PAGES * PAGE, RW, libc::MAP_SHARED, 0).or_broken("a mapping")?;
    let before = resident()?;
    (0..PAGES).for_each(|page| mapped.write(page * PAGE, 1));
    let more = resident()?.saturating_sub(before);
    s.holds(
        "every page of a mapping touched: resident memory as before",
        ensure(more < PAGES / 2, || format!("{more} pages more")),
    );
    Ok(())
}

/// Resident pages of files and of shared memory.
fn resident() -> CaseResult<usize> {
    let kilobytes = |name: &str| number_in("/proc/self/status", name);
    Ok((kilobytes("RssFile:")? + kilobytes("RssShmem:")?) * 1024 / PAGE)
}
