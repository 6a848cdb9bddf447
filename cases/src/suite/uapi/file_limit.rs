//! DERIVE at the system-wide limit on open files.

use crate::prelude::*;

case! {
    /// When the system has as many open files as it may have, DERIVE is ENFILE for a caller without privileges, writes
    /// nothing into the structure, and leaves neither a descriptor number nor a reference behind. A privileged caller
    /// is not bound.
    "UAPI-6", Contract, Exporter::MAIN, [Derive, TestImporter]
}

/// What the child found wrong, as bits of its exit status.
const FINDINGS: [(i32, &str, &str); 3] = [
    (1, "derive at the limit is ENFILE", "it succeeded, or gave another errno"),
    (2, "derive at the limit leaves the structure alone", "flags or fd were written although it failed"),
    (4, "derive at the limit leaves no descriptor number taken", "the next descriptor gets a higher number"),
];
const NO_CHILD: i32 = 0x40;

fn run(s: &mut Steps, on: On) -> CaseResult {
    let primary = s.export(on.exporter, 1)?.primary;
    let observer = BufferObserver::start(&primary)?;
    let alias = s.must_derive("RO alias", &primary, RDONLY)?;
    let snapshot = RefSnapshot::take(&observer, &primary)?;

    let limit = FileMax::set("0")?;
    s.note("fs.file-max is 0 now, which binds all but the superuser");
    let ending = in_child(|| unprivileged([&primary, &primary, &alias]))?;
    let privileged = s.derive("alias of the superuser", &primary, RDONLY);
    drop(limit);
    s.succeeds("the superuser is not bound", privileged)?;

    let wrong = match ending {
        ChildStatus::Exited(status) if status < NO_CHILD => status,
        other => return Err(Abort::Broken(format!("the unprivileged child ended with {other:?}"))),
    };
    for (bit, sentence, detail) in FINDINGS {
        s.check(sentence, wrong & bit == 0, detail);
    }
    s.check_balanced(&snapshot, "after the child has gone")?;
    Ok(())
}

fn unprivileged(sources: [&Fd; 3]) -> i32 {
    if become_nobody().is_err() {
        return NO_CHILD;
    }
    let Ok(next) = next_number(sources[0]) else { return NO_CHILD };
    let mut wrong = 0;
    for (source, flags) in sources.into_iter().zip([RDONLY, RDWR, RDONLY]) {
        let mut argument = DeriveArgs { flags, fd: POISON };
        let result = dma_buf::derive_with(source.number(), &mut argument);
        wrong |= i32::from(result != Err(Errno::ENFILE));
        wrong |= i32::from(argument != DeriveArgs { flags, fd: POISON }) << 1;
    }
    match next_number(sources[0]) {
        Ok(now) => wrong | i32::from(now != next) << 2,
        Err(_) => NO_CHILD,
    }
}
