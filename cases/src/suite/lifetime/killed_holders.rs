//! Processes that hold aliases and are killed.

use std::io::{Read, Write};

use crate::prelude::*;

case! {
    /// Two processes that hold every kind of alias, mappings and an import each, one of them with a poll pending, are
    /// killed by SIGKILL. The buffer stays alive while one of them or the pending callback holds it, and is released
    /// once after that.
    "L-6", Contract, Exporter::MAIN, [SwSync, TestImporter], [ALIASES, DUPLICATES],
    relies on [Importing, Polling]
}

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let primary = export(on.exporter, 1).or_broken("export of a buffer")?.primary;
    let observer = BufferObserver::start(&primary)?;
    let descriptors = on.fds().quiet(primary).or_broken("more descriptors of a buffer")?;
    let timeline = Timeline::new()?;
    let first = holder(&descriptors, on.fds(), None)?;
    let second = holder(&descriptors, on.fds(), Some(&timeline))?;
    drop(descriptors);
    s.holds("held by two processes: buffer alive", observer.alive()?);
    kill_and_reap(first).or_broken("killing a process")?;
    s.holds("first process killed: buffer alive", observer.alive()?);
    kill_and_reap(second).or_broken("killing a process")?;
    s.holds("second process killed, its poll pending: buffer alive", observer.alive()?);
    timeline.advance()?;
    s.holds("fence signalled: buffer released once", observer.gone()?);
    Ok(())
}

/// A child with descriptors of its own besides those it inherits. Returns once it holds everything.
fn holder(descriptors: &Descriptors, kind: FdKind, timeline: Option<&Timeline>) -> CaseResult<Pid> {
    let (mut ready, mut tell) = std::io::pipe().or_broken("pipe")?;
    let pid = spawn(|| {
        let mut hold = || -> nix::Result<()> {
            let alias = &descriptors.read_only;
            let mapping = memory::map(alias.as_fd(), PAGE, libc::PROT_READ, libc::MAP_SHARED, 0)?;
            mapping.read(0);
            let _own = kind.another(alias)?;
            let importer = Importer::open()?;
            let _import = match Staged::new(&importer, alias, STAGES.len()) {
                refusal if reader_refused(alias, &refusal) => None,
                import => Some(import?),
            };
            if let Some(timeline) = timeline {
                let fence = timeline.fence(1).map_err(|_| Errno::EIO)?;
                import_sync_file(descriptors.primary.as_fd(), SyncAccess::Write, fence.as_fd())?;
                poll_now(alias)?;
            }
            let _ = tell.write_all(b"x");
            loop {
                nix::unistd::pause();
            }
        };
        i32::from(hold().is_err())
    });
    let pid = pid.or_broken("fork")?;
    drop(tell);
    let mut byte = [0];
    ready.read_exact(&mut byte).or_broken("waiting for a process to hold a buffer")?;
    Ok(pid)
}
