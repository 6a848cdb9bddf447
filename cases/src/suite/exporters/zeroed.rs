//! What a new heap buffer contains.

use crate::prelude::*;

case! {
    /// Every byte of a new heap buffer is zero, also when its pages were those of a buffer with contents a moment ago, and
    /// also when only single pages are available.
    "EXP-2", Contract, Exporter::HEAPS, [FaultInjection],
    relies on [Listing]
}

/// A chunk of 16 pages and three single ones.
const PAGES: usize = 19;

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let used = |pages| -> Result<Option<usize>, Errno> {
        let old = export(on.exporter, pages)?.primary;
        fill(&old, pages * PAGE, 3)?;
        drop(old);
        let new = export(on.exporter, pages)?.primary;
        let mapped = memory::map(new.as_fd(), pages * PAGE, libc::PROT_READ, libc::MAP_SHARED, 0)?;
        Ok((0..pages).find(|page| mapped.read(page * PAGE) != 0 || mapped.read(page * PAGE + PAGE - 1) != 0))
    };
    let zero = |pages: usize, dirty: Result<Option<usize>, Errno>| {
        let dirty = dirty.map_err(gave)?;
        ensure(dirty.is_none(), || format!("of {pages} pages, page {} has old contents", dirty.unwrap_or_default()))
    };
    for pages in [1, 16, PAGES] {
        let found = (0..2).try_for_each(|_| zero(pages, used(pages)));
        s.holds(format!("a new buffer of {pages} pages is zero after one with contents was closed"), found);
    }
    let fail = FailNth::prepare()?;
    let (first, second) = (fail.with_single_pages(|| used(PAGES))?, fail.with_single_pages(|| used(PAGES))?);
    s.holds(format!("a new buffer of {PAGES} single pages is zero"), zero(PAGES, first).and(zero(PAGES, second)));
    Ok(())
}
