//! A reader that makes the producer's signal slow.

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};

use crate::prelude::*;

case! {
    /// The holder of a read-only alias watches it with many epoll instances. All descriptors share the wait queue of the buffer, so a
    /// fence that signals wakes each of the watches, with interrupts off: the producer's signals take far longer.
    "H-5", Hazard("a buffer has one wait queue, and dma_buf_poll_cb() wakes all of it under the lock of the fence"),
    Exporter::HEAP, [Derive, SwSync],
    relies on [Polling]
}

const INSTANCES: usize = 24;
const DUPLICATES: usize = 32;
/// The most signals that are measured.
const MOST: usize = 512;
/// At a constant cost both would take equally long. Measured: six times.
const FAR_LONGER: u32 = 2;

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let primary = s.export(on.exporter, 1)?.primary;
    let alias = s.must_derive("RO alias", &primary, RDONLY)?;
    let timeline = Timeline::new()?;
    let (count, time) = long_enough(MOST, |count| signals(&primary, &timeline, count))?;
    // What another program takes of the processor must not make the signals look slow.
    let alone = time.min(signals(&primary, &timeline, count)?);
    // While a fence is pending, a new watch does not wake those before it.
    let fence = timeline.next()?;
    import_sync_file(primary.as_fd(), SyncAccess::Write, fence.as_fd()).or_broken("importing a fence")?;
    let watched = (0..DUPLICATES).map(|_| alias.quiet_dup()).collect::<Result<Vec<_>, _>>().or_broken("dup")?;
    let mut instances = Vec::new();
    let mut added = Ok(());
    for _ in 0..INSTANCES {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).or_broken("epoll_create1")?;
        let event = || EpollEvent::new(EpollFlags::EPOLLIN | EpollFlags::EPOLLOUT, 0);
        added = added.and(watched.iter().try_for_each(|fd| epoll.add(fd, event())));
        instances.push(epoll);
    }
    timeline.advance()?;
    s.note(format!("{} epoll watches of the RO alias: {}", INSTANCES * DUPLICATES, outcome_name(&added)));
    let crowded = signals(&primary, &timeline, count)?;
    s.hazard("with them the signals take far longer", crowded > alone * FAR_LONGER);
    Ok(())
}

/// The time of so many fences of the buffer that somebody polls for, and that signal.
fn signals(primary: &Fd, timeline: &Timeline, count: usize) -> CaseResult<Duration> {
    let signal = || {
        let fence = timeline.next()?;
        import_sync_file(primary.as_fd(), SyncAccess::Write, fence.as_fd()).or_broken("importing a fence")?;
        poll_now(primary).or_broken("poll")?;
        timeline.advance()
    };
    let (time, signalled) = processor_time(|| (0..count).try_for_each(|_| signal()))?;
    signalled.map(|()| time)
}
