//! The fences of a buffer in bufinfo.

use crate::prelude::*;

case! {
    /// bufinfo shows the pending fences of a buffer with their timelines, and after each signal none of them as
    /// pending that has signalled, while other buffers come and go. A fence that was added for writing is not shown as one for
    /// reading, nor the other way round.
    "PROC-4", Contract, Exporter::HEAP, [SwSync, Bufinfo],
    relies on [Listing]
}

const NAMES: [&str; 3] = ["shown-1", "shown-2", "shown-3"];

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let primary = s.export(on.exporter, 1)?.primary;
    let timelines = NAMES.into_iter().map(Timeline::named).collect::<CaseResult<Vec<_>>>()?;
    for (index, timeline) in timelines.iter().enumerate() {
        let fence = timeline.next()?;
        import_sync_file(primary.as_fd(), access(index), fence.as_fd()).or_broken("importing a fence")?;
    }
    s.holds("each fence is shown with the use for which it was added", used(&primary));
    for step in 0..=timelines.len() {
        let other = export(on.exporter, 1).or_broken("export of a buffer")?;
        s.equal(
            format!("{step} of 3 signalled: the others are pending"),
            pending_of(&primary),
            Ok(owned(&NAMES[step..])),
        );
        drop(other);
        if let Some(timeline) = timelines.get(step) {
            timeline.advance()?;
        }
    }
    Ok(())
}

fn access(index: usize) -> SyncAccess {
    if index.is_multiple_of(2) { SyncAccess::Write } else { SyncAccess::Read }
}

/// What bufinfo calls each fence. No rule requires the words, but no fence has that of the others.
fn used(fd: &Fd) -> Result<(), String> {
    let lines = identity(fd).and_then(|(_, inode)| fences_in_bufinfo(inode)).map_err(gave)?;
    NAMES.into_iter().enumerate().try_for_each(|(index, name)| {
        let (wrong, right) =
            if access(index) == SyncAccess::Write { ("read", "writing") } else { ("write", "reading") };
        let line = lines.iter().find(|line| line.split_whitespace().any(|word| word == name));
        let line = line.map_or("", |line| line.trim());
        ensure(!line.starts_with(&format!("{wrong} fence:")), || format!("one for {right} is shown as \"{line}\""))
    })
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}

/// The timelines of the fences that bufinfo shows as not signalled.
fn pending_of(fd: &Fd) -> Result<Vec<String>, Errno> {
    let (_, inode) = identity(fd)?;
    let lines = fences_in_bufinfo(inode)?;
    let shown = |name: &str| {
        let mut pending = lines.iter().filter(|line| line.ends_with(" unsignalled"));
        pending.any(|line| line.split_whitespace().any(|word| word == name))
    };
    Ok(owned(&NAMES.into_iter().filter(|name| shown(name)).collect::<Vec<_>>()))
}
