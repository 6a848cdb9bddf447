//! A policy that permits every ioctl on buffers but DERIVE.

use crate::prelude::*;

case! {
    /// The policy permits a reader all ioctls of a dma-buf by their numbers, but not DERIVE. The reader brackets a CPU access
    /// through the primary, and derives a read-write alias of it.
    "S-4", Hazard("ioctl_has_perm() returns before it looks at the number if the inode is private"),
    Exporter::HEAP, [Derive, Selinux]
}

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let mut selinux = Confinement::start()?;
    let primary = s.export(on.exporter, 1)?.primary;
    s.policy_is_in_force(&mut selinux, &primary)?;
    let used = s.attempt_sync(&mut selinux, READER, &primary)?;
    s.succeeds("the reader may use ioctls", used.result)?;
    for flags in [RDONLY, RDWR] {
        let text = format!("derive(primary, {})", flags_text(flags));
        let derived = s.attempt(&mut selinux, READER, &text, || derive(primary.as_fd(), flags).map(drop))?;
        s.unstopped(format!("the reader derives with {}", flags_text(flags)), &derived, "ioctl", Errno::EACCES);
    }
    Ok(())
}
