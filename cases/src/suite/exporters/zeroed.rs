//! What a new heap buffer contains.

use crate::prelude::*;

case! {
    /// Every byte of a new heap buffer is zero, also when its pages were those of a buffer with contents a moment ago, and
    /// also when only single pages are available.
    "EXP-2", Contract, Exporter::HEAP, [FaultInjection]
}

/// A chunk of 16 pages and three single ones.
const PAGES: usize = 19;

fn run(s: &mut Steps, _: CaseParams) -> CaseResult {
    let used = |pages| -> Result<(), String> {
        let old = Fd::new("old buffer", heap(pages, RDWR).map_err(gave)?);
        fill(&old, pages * PAGE, 3).map_err(gave)?;
        drop(old);
        let new = Fd::new("new buffer", heap(pages, RDWR).map_err(gave)?);
        let mapped = memory::map(new.as_fd(), pages * PAGE, libc::PROT_READ, libc::MAP_SHARED, 0).map_err(gave)?;
        let dirty = (0..pages).find(|page| mapped.read(page * PAGE) != 0 || mapped.read(page * PAGE + PAGE - 1) != 0);
        ensure(dirty.is_none(), || format!("of {pages} pages, page {} has old contents", dirty.unwrap_or_default()))
    };
    for pages in [1, 16, PAGES] {
        let found = (0..2).try_for_each(|_| used(pages));
        s.holds(format!("a new buffer of {pages} pages is zero after one with contents was closed"), found);
    }
    let fail = FailNth::prepare()?;
    let found = fail.without_high_orders(|| (0..2).try_for_each(|_| used(PAGES)))?;
    s.holds(format!("a new buffer of {PAGES} single pages is zero"), found);
    Ok(())
}
