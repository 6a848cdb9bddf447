//! What can be derived from an alias once the primary is closed.

use crate::prelude::*;

case! {
    /// With the primary closed, an alias is still limited by its own access mode: from a read-write alias both modes
    /// can be derived, from a read-only alias only O_RDONLY, also when that is the last descriptor. The new alias can
    /// be mapped for writing exactly if O_RDWR was requested.
    "R-1", Contract, Exporter::COMMON, [Derive, TestImporter],
    relies on [Closing]
}

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let primary = s.export(on.exporter, 1)?.primary;
    let observer = BufferObserver::start(&primary)?;
    let read_write = s.must_derive("RW alias", &primary, RDWR)?;
    let read_only = s.must_derive("RO alias", &primary, RDONLY)?;
    s.close(primary);

    row(s, &observer, &read_write, &[RDONLY, RDWR])?;
    row(s, &observer, &read_only, &[RDONLY])?;
    let last = s.must_derive("alias of the RO alias", &read_only, RDONLY)?;
    s.close(read_write);
    s.close(read_only);
    row(s, &observer, &last, &[RDONLY])
}

/// Requests both modes from `source`; those in `granted` have to succeed.
fn row(s: &mut Steps, observer: &BufferObserver, source: &Fd, granted: &[u32]) -> CaseResult {
    for flags in [RDONLY, RDWR] {
        let snapshot = RefSnapshot::take(observer, source)?;
        let asked = format!("{} from {}", flags_text(flags), source.name);
        let got = s.derive("alias", source, flags);
        let want = if granted.contains(&flags) { "ok" } else { "EACCES" };
        s.equal(asked.clone(), outcome_name(&got).as_str(), want);
        if let Ok(alias) = &got
            && granted.contains(&flags)
        {
            let mapped = memory::map(alias.as_fd(), PAGE, RW, libc::MAP_SHARED, 0).map(drop);
            let want = if flags == RDWR { Ok(()) } else { Err(Errno::EACCES) };
            // Deriving was right; what can be mapped is for another clause.
            s.about("R-3").equal(format!("{asked}: mapping RW shared"), outcome_name(&mapped), outcome_name(&want));
        }
        drop(got);
        if !s.check_balanced(&snapshot, &asked)? {
            return Ok(());
        }
    }
    Ok(())
}
