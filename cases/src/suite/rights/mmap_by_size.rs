//! Which mappings an exporter allows, by the size of the buffer.

use crate::prelude::*;
use crate::suite::rights::private_writable::MANY;

case! {
    /// Records what mmap returns on an exported read-write descriptor for every protection and sharing flag, for rarely
    /// used flags, and for ranges at and past its end, for buffers of one page, of one large chunk and of several
    /// chunks.
    "R-3", Record, Exporter::COMMON, []
}

/// No clause covers PROT_EXEC; private writable mappings are up to each exporter.
const PROTS: [i32; 6] =
    [libc::PROT_NONE, libc::PROT_READ, libc::PROT_WRITE, RW, libc::PROT_READ | libc::PROT_EXEC, RW | libc::PROT_EXEC];

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    for (pages, size) in [(1, "one page"), (16, "16 pages"), (MANY, "many pages")] {
        let primary = s.export(on.exporter, pages)?.primary;
        for sharing in [libc::MAP_SHARED, libc::MAP_PRIVATE] {
            let answers = PROTS.iter().map(|prot| {
                let name = if *prot == 0 { "none".to_string() } else { prot_text(*prot) };
                format!("{name} {}", answer(&primary, pages * PAGE, *prot, sharing, 0))
            });
            let answers: Vec<_> = answers.collect();
            s.note(format!("{size}, {}: {}", sharing_text(sharing), answers.join(", ")));
        }
        let last = ((pages - 1) * PAGE) as i64;
        for (what, len, flags, offset) in [
            ("the last page", PAGE, libc::MAP_SHARED, last),
            ("half of the last page", PAGE / 2, libc::MAP_SHARED, last),
            ("one page too many", (pages + 1) * PAGE, libc::MAP_SHARED, 0),
            ("the page past the end", PAGE, libc::MAP_SHARED, last + PAGE as i64),
            ("across the end", 2 * PAGE, libc::MAP_SHARED, last),
            ("at an offset inside a page", PAGE, libc::MAP_SHARED, 1),
            ("at the largest offset", PAGE, libc::MAP_SHARED, i64::MAX & !(PAGE as i64 - 1)),
            ("with MAP_POPULATE", pages * PAGE, libc::MAP_SHARED | libc::MAP_POPULATE, 0),
            ("with MAP_LOCKED", pages * PAGE, libc::MAP_SHARED | libc::MAP_LOCKED, 0),
            ("with MAP_SYNC", pages * PAGE, libc::MAP_SHARED_VALIDATE | libc::MAP_SYNC, 0),
            ("with an unknown flag and MAP_SHARED_VALIDATE", pages * PAGE, libc::MAP_SHARED_VALIDATE | 1 << 30, 0),
        ] {
            s.note(format!("{size}, {what}: {}", answer(&primary, len, libc::PROT_READ, flags, offset)));
        }
    }
    Ok(())
}

fn answer(fd: &Fd, len: usize, prot: i32, flags: i32, offset: i64) -> String {
    outcome_name(&memory::map(fd.as_fd(), len, prot, flags, offset))
}
