//! Calls for writing on a read-only descriptor.

use crate::prelude::*;

case! {
    /// Records what SYNC for writing and IMPORT_SYNC_FILE for writing return on a read-only alias, and what such a
    /// fence does to the primary; the same for a heap buffer that was exported O_RDONLY.
    "F-8", Record, Exporter::MAIN, [SwSync], [ALIASES, EXPORTED.only_on(Exporter::HEAP)],
    relies on [Polling]
}

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    if on.fds() == FdKind::Exported {
        let fd = s.heap_export("O_RDONLY heap buffer", 1, RDONLY)?;
        let second = s.dup("dup", &fd)?;
        return record(s, &fd, &second);
    }
    let primary = s.export(on.exporter, 1)?.primary;
    let descriptors = s.descriptors(primary)?.into_vec();
    for fd in [&descriptors[2], &descriptors[3]] {
        record(s, fd, &descriptors[0])?;
    }
    Ok(())
}

/// Records what the calls return on `fd`, and what poll on `other` returns then.
fn record(s: &mut Steps, fd: &Fd, other: &Fd) -> CaseResult {
    for (access, text) in [(SyncAccess::Write, "WRITE"), (SyncAccess::ReadWrite, "READ|WRITE")] {
        let begun = begin_cpu_access(fd.as_fd(), access);
        let ended = end_cpu_access(fd.as_fd(), access);
        let (begun, ended) = (outcome_name(&begun), outcome_name(&ended));
        s.note(format!("SYNC for {text} through {}: start {begun}, end {ended}", fd.name));
        let timeline = Timeline::new()?;
        let fence = timeline.fence(1)?;
        let imported = outcome_name(&import_sync_file(fd.as_fd(), access, fence.as_fd()));
        s.note(format!("IMPORT_SYNC_FILE for {text} through {}: {imported}", fd.name));
        let seen = poll_text(poll_now(other).or_broken("poll")?);
        s.note(format!("while it is pending, poll on {}: {seen}", other.name));
        timeline.advance()?;
    }
    Ok(())
}
