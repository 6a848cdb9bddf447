//! Which descriptors allow private writable mappings.

use crate::prelude::*;
use crate::suite::rights::mmap_table::outcome;

case! {
    /// No clause says whether a private mapping may be writable; exporters and sizes differ. Records what the primary
    /// and a read-only alias return for one page and for many.
    "R-5", Record, Exporter::MAIN, [Derive]
}

/// More than one chunk of the heap at this size (order 4), and less than its next larger chunk (order 8): the
/// buffer always has several chunks.
pub(super) const MANY: usize = 64;

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    for pages in [1, MANY] {
        let primary = s.export(on.exporter, pages)?.primary;
        let alias = s.must_derive("RO alias", &primary, RDONLY)?;
        for fd in [&primary, &alias] {
            for prot in [libc::PROT_WRITE, RW] {
                let got = outcome(fd, pages, prot, libc::MAP_PRIVATE);
                let size = if pages == 1 { "one page" } else { "many pages" };
                s.note(format!("mmap({}, {}, PRIVATE) of {size}: {got}", fd.name, prot_text(prot)));
            }
        }
    }
    Ok(())
}
