//! A poll that keeps a buffer which nobody has open.

use crate::prelude::*;

case! {
    /// A reader adds a fence of its own, polls the buffer once, and everybody closes it. F-5 requires that the buffer stays until the
    /// callback has run, so it stays as long as the reader does not signal: its memory is in no process. Records whether it is
    /// alive, how often bufinfo lists it, and what the signal does.
    "F-5", Record, Exporter::HEAP, [SwSync, TestImporter, Bufinfo], [ALIASES, DUPLICATES],
    relies on [Closing, Listing, Polling]
}

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let primary = s.export(on.exporter, 1)?.primary;
    let observer = BufferObserver::start(&primary)?;
    let (_, inode) = identity(&primary).or_broken("fstat")?;
    let reader = s.alias_or_duplicate(on.fds(), "RO alias", &primary, RDONLY)?;
    let timeline = Timeline::new()?;
    let fence = timeline.next()?;
    let imported = s.import_fence(&reader, SyncAccess::Read, "reader's fence", &fence);
    s.note(format!("the reader adds a fence: {}", outcome_name(&imported)));
    drop(fence);
    let ready = s.poll_now(&reader).or_broken("poll")?;
    s.note(format!("the reader polls once: {}", poll_text(ready)));
    s.close(reader);
    s.close(primary);
    observer.drain()?;
    let listed = times_listed(inode).or_broken(BUFINFO)?;
    let alive = if observer.alive()?.is_ok() { "alive" } else { "released" };
    s.note(format!("in no descriptor table: {alive}, times in bufinfo: {listed}"));
    timeline.advance()?;
    let gone = if observer.gone()?.is_ok() { "released once" } else { "not released" };
    s.note(format!("the reader's fence signals: {gone}"));
    Ok(())
}
