//! The least that fences can do: appear and go away.

use crate::foundation::STILL_LISTED;
use crate::prelude::*;

case! {
    /// A timeline, its fences, pending and signalled, merges of them and the sync_files of a buffer that has one can be made,
    /// asked for their status and closed. Then sync/info lists nothing of them.
    "SF-5", Contract, Exporter::HEAP, [SwSync]
}

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let status = |file: &OwnedFd| sync_file::info(file.as_fd()).map(drop).or_broken("file_info");
    gone(s, "a timeline", |_| Ok(()))?;
    gone(s, "a pending fence", |timeline| status(&timeline.next()?))?;
    gone(s, "a fence that has signalled", |timeline| {
        let fence = timeline.next()?;
        timeline.advance()?;
        status(&fence)
    })?;
    gone(s, "a fence at a value that was reached before", |timeline| status(&timeline.fence(0)?))?;
    gone(s, "two fences at one value", |timeline| status(&timeline.fence(1)?).and(status(&timeline.fence(1)?)))?;
    gone(s, "a merge", |timeline| {
        let (one, two) = (timeline.next()?, timeline.next()?);
        status(&sync_file::merge(one.as_fd(), two.as_fd()).or_broken("merging")?)
    })?;
    let exporter = on.exporter;
    gone(s, "a fence of a buffer", |timeline| {
        let buffer = export(exporter, 1).or_broken("export of a buffer")?.primary;
        import_sync_file(buffer.as_fd(), SyncAccess::Write, timeline.next()?.as_fd()).or_broken("importing a fence")?;
        status(&export_sync_file(buffer.as_fd(), SyncAccess::Write).or_broken("exporting a fence")?)
    })
}

/// Makes a timeline and something of it, closes both, and looks what is left.
fn gone(s: &mut Steps, what: &str, make: impl FnOnce(&Timeline) -> CaseResult) -> CaseResult {
    let timeline = Timeline::named("made")?;
    make(&timeline)?;
    drop(timeline);
    let listed = || Ok(listed_timelines().or_broken(SYNC_INFO)?.iter().any(|timeline| timeline.name == "made"));
    // A fence may be freed a moment after its file is closed.
    let left = listed()? && {
        drain_if_possible()?;
        listed()?
    };
    s.must(format!("{what}, closed again: the timeline is gone"), !left, STILL_LISTED)
}
