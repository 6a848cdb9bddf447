//! Writes to a private mapping stay private.

use crate::prelude::*;
use crate::suite::rights::private_writable::MANY;

case! {
    /// Where a read-only alias, or an exported descriptor, allows a private writable mapping, data written to it is
    /// visible in that mapping and never in the buffer, on any page. The same for a private mapping that mprotect makes
    /// writable.
    "R-5", Contract, Exporter::DRIVERS, [], [ALIASES, EXPORTED]
}

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    if on.fds() == FdKind::Exported {
        let primary = s.export(on.exporter, 1)?.primary;
        s.fill(&primary, PAGE, 5)?;
        return scribble(s, &primary, &primary, 1);
    }
    for pages in [1, MANY] {
        let primary = s.export(on.exporter, pages)?.primary;
        let alias = s.must_derive("RO alias", &primary, RDONLY)?;
        s.fill(&primary, pages * PAGE, 5)?;
        scribble(s, &primary, &alias, pages)?;
    }
    Ok(())
}

/// Writes to the private mappings that `fd` allows, and reads the buffer, which holds pattern 5, through `primary`.
fn scribble(s: &mut Steps, primary: &Fd, fd: &Fd, pages: usize) -> CaseResult {
    for (how, prot) in [("mapped RW", RW), ("mapped R, then mprotect to RW", libc::PROT_READ)] {
        let mapping = memory::map(fd.as_fd(), pages * PAGE, prot, libc::MAP_PRIVATE, 0);
        let mapping = mapping.and_then(|mapping| mapping.protect(RW).map(|()| mapping));
        let outcome = outcome_name(&mapping);
        s.note(format!("private mapping of {}, {how}: {outcome}", fd.name));
        let kept = mapping.is_ok_and(|mapping| {
            (0..pages).for_each(|page| mapping.write(page * PAGE, !pattern(page, 5)));
            (0..pages).all(|page| mapping.read(page * PAGE) == !pattern(page, 5))
        });
        let sentence = format!("private mapping of {}, {how}: refused, or written data is visible in it", fd.name);
        s.check(sentence, kept || outcome != "ok", "it is not");
        s.check_pattern(primary, pages * PAGE, 5)?;
    }
    Ok(())
}
