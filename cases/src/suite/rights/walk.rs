//! Every sequence of up to four steps from a descriptor, looking for a right that it lacked.

use crate::prelude::*;

case! {
    /// From a read-only alias and from heap buffers of every lesser access mode: no sequence of up to four of the steps
    /// DERIVE with any mode, dup, F_DUPFD, F_SETFL, an SCM_RIGHTS round trip and pidfd_getfd reaches a descriptor that
    /// can be mapped in a way that the first one could not, or whose F_GETFL shows a mode that the first one did not
    /// have. Without the patch the same holds for the heap buffers and all steps but DERIVE.
    "R-2", Contract, Exporter::MAIN, [],
    [ALIASES, EXPORTED.only_on(Exporter::HEAP)]
}

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    if on.fds() == FdKind::Exported {
        return heap_modes(s, &RightsWalk::new(false)?);
    }
    let primary = s.export(on.exporter, 1)?.primary;
    let alias = s.must_derive("RO alias", &primary, RDONLY)?;
    let walk = RightsWalk::new(true)?;
    // Not from the primary: it has every right, so there is none to gain.
    gains_nothing(s, &walk, &alias)?;
    let all = Rights::of(&primary.quiet_dup().or_broken("dup")?);
    s.check("the same check finds every right on the primary", all.read && all.write, "it does not");
    if on.exporter == Exporter::SystemHeap {
        heap_modes(s, &walk)?;
    }
    Ok(())
}

/// Walks from a heap buffer of each access mode but O_RDWR.
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
    let found = walk.from(root)?.map_or(Ok(()), |path| Err(format!("shortest sequence: {path}")));
    s.holds(format!("no sequence from {} gains a right", root.name), found);
    Ok(())
}
