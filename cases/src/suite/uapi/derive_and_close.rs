//! The least that an alias can do: appear and go away.

use crate::prelude::*;

case! {
    /// A read-only and a read-write alias can be derived from the primary and closed again, and so can the primary
    /// after them. The kernel does not complain, and a new buffer can be exported and closed afterwards.
    "UAPI-2", Contract, Exporter::MAIN, [Derive]
}

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let primary = s.export(on.exporter, 1)?.primary;
    for (name, flags) in [("RO alias", RDONLY), ("RW alias", RDWR)] {
        let alias = s.must_derive(name, &primary, flags)?;
        s.close(alias);
    }
    s.close(primary);
    let again = export(on.exporter, 1).map(drop).map_err(gave);
    s.holds("a new buffer can be exported and closed afterwards", again);
    Ok(())
}
