//! A fence that is imported through one descriptor and exported through the others.

use crate::prelude::*;

case! {
    /// A fence that is imported through the primary, a read-write alias, a read-only alias or an alias of an alias is
    /// exported through each of them as the same fence: same driver, timeline, context and sequence number. Readers
    /// wait only for write fences, writers for both.
    "F-1", Contract, Exporter::WITH_DEVICES, [SwSync], [ALIASES, DUPLICATES]
}

/// Index of the first read-only alias.
const READERS: usize = 2;

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let primary = s.export(on.exporter, 1)?.primary;
    let descriptors = match on.fds() {
        FdKind::Alias => s.descriptors(primary)?.into_vec(),
        _ => s.duplicates(primary)?,
    };
    let timeline = Timeline::new()?;
    let mut value = 0;
    let aliases = on.fds() == FdKind::Alias;
    for (index, into) in descriptors.iter().enumerate() {
        for (access, kind) in [(SyncAccess::Write, "write"), (SyncAccess::Read, "read")] {
            value += 1;
            let fence = timeline.fence(value)?;
            let want = sync_file::info(fence.as_fd()).or_broken("asking a fence for its name")?;
            if aliases && index >= READERS && matches!(access, SyncAccess::Write) {
                by_reader(s, &descriptors, into, &fence, &want)?;
                timeline.advance()?;
                continue;
            }
            let imported = s.import_fence(into, access, &format!("{kind} fence"), &fence);
            s.succeeds(format!("{} imports the {kind} fence", into.name), imported)?;
            s.holds("every descriptor exports that fence for writing", same(&descriptors, SyncAccess::Write, &want));
            match access {
                SyncAccess::Read => {
                    s.holds("no descriptor exports it for reading", idle(&descriptors, SyncAccess::Read))
                }
                _ => s.holds(
                    "every descriptor exports that fence for reading",
                    same(&descriptors, SyncAccess::Read, &want),
                ),
            };
            timeline.advance()?;
            s.holds("after the signal, no descriptor exports a pending fence", idle(&descriptors, SyncAccess::Write));
        }
    }
    Ok(())
}

/// No clause says whether a read-only alias takes a write fence. One that does has to show it everywhere.
fn by_reader(
    s: &mut Steps,
    descriptors: &[Fd],
    into: &Fd,
    fence: &OwnedFd,
    want: &sync_file::SyncFileInfo,
) -> CaseResult {
    let imported = dma_buf::import_sync_file(into.as_fd(), SyncAccess::Write, fence.as_fd());
    s.note(format!("importing a write fence through {}: {}", into.name, outcome_name(&imported)));
    let shown = match imported {
        Ok(()) => same(descriptors, SyncAccess::Read, want),
        Err(_) => idle(descriptors, SyncAccess::Write),
    };
    s.holds(format!("a write fence imported through {} is in all descriptors or in none", into.name), shown);
    Ok(())
}

fn same(descriptors: &[Fd], access: SyncAccess, want: &sync_file::SyncFileInfo) -> Result<(), String> {
    descriptors.iter().try_for_each(|fd| {
        let got = fences(fd, access).map_err(gave)?;
        same_fence(&got, want).map_err(|other| format!("{} exports {other}", fd.name))
    })
}

fn idle(descriptors: &[Fd], access: SyncAccess) -> Result<(), String> {
    descriptors.iter().try_for_each(|fd| {
        let pending = pending(fd, access).map_err(gave)?;
        ensure(pending == 0, || format!("{} exports {pending} pending fences", fd.name))
    })
}
