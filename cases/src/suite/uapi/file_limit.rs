//! DERIVE at the system-wide limit on open files.

use crate::prelude::*;

case! {
    /// When the system has reached its limit on open files, DERIVE returns ENFILE to an unprivileged caller, does not
    /// write to the structure, and leaks no descriptor number and no reference. Whether root is limited is noted.
    "UAPI-6", Contract, Exporter::MAIN, [Derive, TestImporter],
    relies on [Closing]
}

/// What the child can find wrong, as bits of its exit status.
const FINDINGS: [(i32, &str, &str); 3] = [
    (1, "derive at the limit gives ENFILE", "it succeeded or gave another errno"),
    (2, "derive at the limit does not change the structure", "flags or fd were written"),
    (4, "derive at the limit leaks no descriptor number", "the next descriptor got a higher number"),
];
const NO_CHILD: i32 = 0x40;

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let primary = s.export(on.exporter, 1)?.primary;
    let observer = BufferObserver::start(&primary)?;
    let alias = s.must_derive("RO alias", &primary, RDONLY)?;
    let mut sources = vec![(&primary, RDONLY), (&primary, RDWR), (&alias, RDONLY)];
    // What is refused anyway says nothing about the limit.
    sources.retain(|(source, flags)| derive(source.as_fd(), *flags).is_ok());
    let before = in_child(|| i32::from(become_nobody().is_err() || derive(primary.as_fd(), RDONLY).is_err()))?;
    s.about("R-9").must(
        "an unprivileged process can derive",
        before == ChildStatus::Exited(0),
        "it was not possible",
    )?;
    observer.rest()?;
    let snapshot = RefSnapshot::take(&observer, &primary)?;

    let limit = FileMax::set("0")?;
    s.note("fs.file-max is 0 now, which limits all users but root");
    let ending = in_child(|| unprivileged(&sources))?;
    let unchanged = snapshot.unchanged()?;
    let privileged = s.derive("alias of root", &primary, RDONLY);
    drop(limit);
    s.note(format!("root is {}limited", if privileged.is_ok() { "not " } else { "" }));
    drop(privileged);

    let wrong = match ending {
        ChildStatus::Exited(status) if status < NO_CHILD => status,
        other => return Err(Abort::Broken(format!("the unprivileged child ended with {other:?}"))),
    };
    for (bit, sentence, detail) in FINDINGS {
        s.check(sentence, wrong & bit == 0, detail);
    }
    s.holds("after the failed calls: no descriptor number or reference leaked", unchanged);
    s.check_balanced(&snapshot, "after root's alias is closed")?;
    Ok(())
}

fn unprivileged(sources: &[(&Fd, u32)]) -> i32 {
    if become_nobody().is_err() {
        return NO_CHILD;
    }
    let Some((primary, _)) = sources.first() else { return NO_CHILD };
    let Ok(next) = next_number(primary) else { return NO_CHILD };
    let mut wrong = 0;
    for (source, flags) in sources.iter().copied() {
        let mut argument = DeriveArgs { flags, fd: POISON };
        let result = dma_buf::derive_with(source.number(), &mut argument);
        wrong |= i32::from(result != Err(Errno::ENFILE));
        wrong |= i32::from(result.is_err() && argument != DeriveArgs { flags, fd: POISON }) << 1;
    }
    match next_number(primary) {
        Ok(now) => wrong | i32::from(now != next) << 2,
        Err(_) => NO_CHILD,
    }
}
