//! The ioctl on a kernel that does not have it.

use crate::prelude::*;

case! {
    /// Without the patch DERIVE is ENOTTY for every access mode, and the buffer keeps its reference count.
    "B-1", Contract, Exporter::ALL, [NoDerive]
}

fn run(s: &mut Steps, on: On) -> CaseResult {
    let buffer = s.export(on.exporter, 2)?;
    let before = fdinfo(&buffer.primary).or_broken("fdinfo")?;
    for flags in [RDONLY, RDWR] {
        let result = s.derive("alias", &buffer.primary, flags);
        s.fails_with("the kernel does not know the request", &result, Errno::ENOTTY);
    }
    let after = fdinfo(&buffer.primary).or_broken("fdinfo")?;
    s.equal("fdinfo is what it was", after, before);
    Ok(())
}
