//! DERIVE on a kernel that does not have it.

use crate::prelude::*;

case! {
    /// Without the patch DERIVE returns ENOTTY for every access mode, and the buffer's reference count does not change.
    "B-1", Contract, Exporter::COMMON, [NoDerive]
}

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let buffer = s.export(on.exporter, 2)?;
    let before = fdinfo(&buffer.primary).or_broken("fdinfo")?;
    for flags in [RDONLY, RDWR] {
        let result = s.derive("alias", &buffer.primary, flags);
        s.fails_with("the ioctl is unknown", &result, Errno::ENOTTY);
    }
    let after = fdinfo(&buffer.primary).or_broken("fdinfo")?;
    s.equal("fdinfo unchanged", after, before);
    Ok(())
}
