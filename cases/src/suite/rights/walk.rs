//! Every sequence of up to four steps from a descriptor, looking for a right that it lacked.

use crate::prelude::*;

case! {
    /// From a read-only alias and from heap buffers of every lesser access mode: no sequence of up to four steps out of
    /// deriving with any mode, dup, F_DUPFD, F_SETFL, an SCM_RIGHTS round trip and pidfd_getfd reaches a descriptor that
    /// can be mapped in a way that the first one could not, or that claims a mode that the first one had not. Without the
    /// patch the same holds for the heap buffers and the steps but deriving.
    "R-2", Contract, Exporter::MAIN, [],
    [ALIASES.needing(&[Need::Derive, Need::TestImporter]), EXPORTED.only_on(Exporter::HEAP)]
}

fn run(s: &mut Steps, on: On) -> CaseResult {
    if on.fds() == FdKind::Exported {
        return heap_modes(s, &RightsWalk::new(false)?);
    }
    let primary = s.export(on.exporter, 1)?.primary;
    let observer = BufferObserver::start(&primary)?;
    let alias = s.must_derive("RO alias", &primary, RDONLY)?;
    s.must_balance(&observer, &primary, &alias)?;
    let walk = RightsWalk::new(true)?;
    // Not from the primary: it has every right, so a walk from it could find nothing.
    gains_nothing(s, &walk, &alias)?;
    let all = Rights::of(&primary.quiet_dup().or_broken("dup")?);
    s.check("the primary, by the same measure, has every right", all.read && all.write, "it has not");
    if on.exporter == Exporter::SystemHeap {
        heap_modes(s, &walk)?;
    }
    Ok(())
}

/// Walks from a buffer of each access mode that gives less than everything.
fn heap_modes(s: &mut Steps, walk: &RightsWalk) -> CaseResult {
    for (name, mode) in [
        ("O_RDONLY heap buffer", libc::O_RDONLY),
        ("O_WRONLY heap buffer", libc::O_WRONLY),
        ("mode 3 heap buffer", libc::O_ACCMODE),
    ] {
        let root = s.heap_export(name, 1, (mode | libc::O_CLOEXEC) as u32)?;
        gains_nothing(s, walk, &root)?;
    }
    Ok(())
}

fn gains_nothing(s: &mut Steps, walk: &RightsWalk, root: &Fd) -> CaseResult {
    let found = walk.from(root)?.map_or(Ok(()), |path| Err(format!("shortest path: {path}")));
    s.holds(format!("no path from {} gains a right", root.name), found);
    Ok(())
}
