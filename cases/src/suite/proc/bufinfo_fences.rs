//! The fences of a buffer in bufinfo.

use crate::prelude::*;

case! {
    /// bufinfo shows the pending fences of a buffer with their timelines, and after each signal none of them as
    /// pending that has signalled, while other buffers come and go. Fences that were added for writing are called otherwise
    /// than one for reading.
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

/// What bufinfo calls the fences. No rule requires the words: fences that were added for the same use have the same, the others another.
fn used(fd: &Fd) -> Result<(), String> {
    let lines = identity(fd).and_then(|(_, inode)| fences_in_bufinfo(inode)).map_err(gave)?;
    let word = |name: &&str| {
        let line = lines.iter().find(|line| line.split_whitespace().any(|word| word == *name));
        line.and_then(|line| line.split_whitespace().next()).unwrap_or("nothing")
    };
    let words: Vec<&str> = NAMES.iter().map(word).collect();
    let [writer, reader, other] = words[..] else { return Err("not three fences".into()) };
    let opposite = (writer, reader) == ("read", "write");
    ensure(writer == other && writer != reader && !opposite, || {
        format!("fences added for writing, reading, writing are called {}", words.join(", "))
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
