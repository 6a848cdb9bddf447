//! The fences of a buffer in bufinfo.

use crate::prelude::*;

case! {
    /// bufinfo shows the pending fences of a buffer with their timelines, and after each signal none of them as
    /// pending that has signalled, while other buffers come and go.
    "PROC-4", Contract, Exporter::HEAP, [SwSync, Bufinfo],
    relies on [Listing]
}

const NAMES: [&str; 3] = ["shown-1", "shown-2", "shown-3"];

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let primary = s.export(on.exporter, 1)?.primary;
    let timelines = NAMES.into_iter().map(Timeline::named).collect::<CaseResult<Vec<_>>>()?;
    for (index, timeline) in timelines.iter().enumerate() {
        let access = if index % 2 == 0 { SyncAccess::Write } else { SyncAccess::Read };
        let fence = timeline.next()?;
        import_sync_file(primary.as_fd(), access, fence.as_fd()).or_broken("importing a fence")?;
    }
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
