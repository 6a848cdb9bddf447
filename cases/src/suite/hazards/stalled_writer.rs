//! A reader that makes the writer wait.

use crate::prelude::*;

case! {
    /// The holder of a read-only alias imports a fence that never signals. The writer's poll, and the fences that are
    /// exported to the writer, wait for it, also after the alias is closed.
    "H-5", Hazard("IMPORT_SYNC_FILE does not check the access mode, and a reader may add a fence for reading"),
    Exporter::WITH_DEVICES, [Derive, SwSync],
    relies on [Polling]
}

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let (mut blocked, mut exported) = (false, false);
    for (access, kind) in [(SyncAccess::Read, "read"), (SyncAccess::Write, "write")] {
        let primary = s.export(on.exporter, 1)?.primary;
        let alias = s.must_derive("RO alias", &primary, RDONLY)?;
        let timeline = Timeline::new()?;
        let fence = timeline.fence(1)?;
        let imported = s.import_fence(&alias, access, &format!("{kind} fence"), &fence);
        s.note(format!("importing a {kind} fence through the alias: {}", outcome_name(&imported)));
        drop(fence);
        s.close(alias);
        let ready = poll_now(&primary).or_broken("poll")?;
        s.note(format!("poll on primary: {}", poll_text(ready)));
        blocked |= !ready.contains(PollFlags::POLLOUT);
        exported |= pending(&primary, SyncAccess::Write).or_broken("exporting fences")? > 0;
    }
    s.hazard("a fence of the reader blocks the writer's POLLOUT", blocked);
    s.hazard("EXPORT_SYNC_FILE for writing includes it", exported);
    Ok(())
}
