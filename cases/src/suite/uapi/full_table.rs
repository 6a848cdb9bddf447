//! DERIVE with a full descriptor table.

use crate::prelude::*;

case! {
    /// With no free descriptor number DERIVE returns EMFILE, does not write to the structure and leaks no reference.
    /// One free number is enough to succeed.
    "UAPI-6", Contract, Exporter::MAIN, [Derive, TestImporter],
    relies on [Closing]
}

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let primary = s.export(on.exporter, 1)?.primary;
    let observer = BufferObserver::start(&primary)?;
    let alias = s.must_derive("RO alias", &primary, RDONLY)?;
    let snapshot = RefSnapshot::take(&observer, &primary)?;
    // Every number below the next one is in use.
    let full = next_number(&primary)? as u64;

    with_fd_limit(full, || {
        for (source, flags) in [(&primary, RDONLY), (&primary, RDWR), (&alias, RDONLY)] {
            let mut argument = DeriveArgs { flags, fd: POISON };
            let text = format!("derive({}, {}) with a full table", source.name, flags_text(flags));
            let result = s.call(text.clone(), |_| "ok".into(), || dma_buf::derive_with(source.number(), &mut argument));
            s.fails_with(format!("{text} gives EMFILE"), &result, Errno::EMFILE);
            s.check(
                format!("{text} does not change the structure"),
                result.is_ok() || argument == DeriveArgs { flags, fd: POISON },
                "the structure was written",
            );
        }
    })?;
    if !s.check_balanced(&snapshot, "after the failed calls")? {
        return Ok(());
    }

    let last = with_fd_limit(full + 1, || s.derive("last alias", &primary, RDONLY))?;
    s.succeeds("derive with one free number succeeds", last)?;
    s.check_balanced(&snapshot, "after closing that alias")?;
    Ok(())
}
