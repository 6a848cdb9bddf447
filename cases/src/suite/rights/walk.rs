//! Every sequence of up to four steps from a descriptor, looking for a right that it lacked.

use crate::prelude::*;

case! {
    /// From a read-only alias and from buffers exported with every lesser access mode: no sequence of up to four of the steps
    /// DERIVE with any mode, dup, F_DUPFD, F_SETFL, an SCM_RIGHTS round trip and pidfd_getfd reaches a descriptor that
    /// can be mapped in a way that the first one could not, or whose F_GETFL shows a mode that the first one did not
    /// have. Without the patch the same holds for those buffers and all steps but DERIVE.
    "R-2", Contract, Exporter::WITH_DEVICES, [],
    [ALIASES, EXPORTED.only_on(&[Exporter::SystemHeap, Exporter::Vgem, Exporter::Vivid])]
}

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    if on.fds() == FdKind::Exported {
        return lesser_modes(s, on.exporter, &RightsWalk::new(false)?);
    }
    let primary = s.export(on.exporter, 1)?.primary;
    let alias = s.must_derive("RO alias", &primary, RDONLY)?;
    let walk = RightsWalk::new(true)?;
    // Not from the primary: it has every right, so there is none to gain.
    gains_nothing(s, &walk, &alias)?;
    let all = Rights::of(&primary.quiet_dup().or_broken("dup")?);
    s.check("the same check finds every right on the primary", all.read && all.write, "it does not");
    lesser_modes(s, on.exporter, &walk)
}

/// Walks from a buffer that was exported with each access mode but O_RDWR.
fn lesser_modes(s: &mut Steps, exporter: Exporter, walk: &RightsWalk) -> CaseResult {
    for (mode, flags) in exporter.lesser_modes() {
        let root = s.export_as(mode, exporter, 1, (flags | libc::O_CLOEXEC) as u32)?;
        gains_nothing(s, walk, &root)?;
    }
    Ok(())
}

fn gains_nothing(s: &mut Steps, walk: &RightsWalk, root: &Fd) -> CaseResult {
    let found = walk.from(root)?.map_or(Ok(()), |path| Err(format!("shortest sequence: {path}")));
    s.holds(format!("no sequence from {} gains a right", root.name), found);
    Ok(())
}
