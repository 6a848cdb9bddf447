//! Imports, exports and signals on two processors.

use crate::prelude::*;

case! {
    /// While one processor imports fences of new timelines and signals them, another one exports, polls and reads what
    /// it exported. Every call succeeds, a buffer whose last fence has signalled shows none, and no fence is left once
    /// all is closed.
    "SET-4", Contract, Exporter::HEAP, [SwSync, TwoProcessors], [ALIASES, DUPLICATES],
    relies on [Closing, Polling]
}

const ROUNDS: usize = 40;
/// Timelines at once: more than a buffer has room for at first.
const TIMELINES: usize = 6;

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let primary = s.export(on.exporter, 1)?.primary;
    let descriptors = s.descriptors_of(on.fds(), primary)?.into_vec();
    let before = listed_timelines().or_broken(SYNC_INFO)?.len();
    let import = || {
        let timelines =
            (0..TIMELINES).map(|_| Timeline::new()).collect::<CaseResult<Vec<_>>>().map_err(|_| Errno::EIO)?;
        for (index, timeline) in timelines.iter().enumerate() {
            let fence = timeline.next().map_err(|_| Errno::EIO)?;
            let access = if index % 2 == 0 { SyncAccess::Write } else { SyncAccess::Read };
            import_sync_file(descriptors[index % 2].as_fd(), access, fence.as_fd())?;
        }
        // The first half signals, the rest fails.
        timelines[..TIMELINES / 2].iter().try_for_each(|timeline| timeline.advance().map_err(|_| Errno::EIO))
    };
    let look = || {
        let file = export_sync_file(descriptors[2].as_fd(), SyncAccess::Write)?;
        poll_for(descriptors[3].as_fd(), PollFlags::POLLIN)?;
        poll_for(file.as_fd(), PollFlags::POLLIN)?;
        sync_file::info(file.as_fd()).map(drop)
    };
    s.holds("imports and exports at the same time succeed", race(ROUNDS, import, look));
    let left = pending(&descriptors[3], SyncAccess::Write);
    s.equal("all signalled: the buffer shows none pending", left, Ok(0));
    drop(descriptors);
    // Callbacks of poll put the buffer in deferred work.
    let deadline = Instant::now() + Duration::from_secs(3);
    let left = || Ok(listed_timelines().or_broken(SYNC_INFO)?.len().saturating_sub(before));
    while left()? > 0 && Instant::now() < deadline {
        std::thread::yield_now();
    }
    let left = left()?;
    s.check("all closed: no fence is left", left == 0, format_args!("{left} timelines are still in sync/info"));
    Ok(())
}
