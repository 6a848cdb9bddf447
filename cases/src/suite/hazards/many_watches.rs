//! A reader that makes the producer's signal slow.

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};

use crate::prelude::*;

case! {
    /// The holder of a read-only alias watches it with many epoll instances. All descriptors share the wait queue of the buffer, so a
    /// fence that signals wakes each of the watches, with interrupts off: each signal takes far longer.
    "H-5", Hazard("a buffer has one wait queue, and dma_buf_poll_cb() wakes all of it under the lock of the fence"),
    Exporter::HEAP, [Derive, SwSync],
    relies on [Polling]
}

const INSTANCES: usize = 16;
const DUPLICATES: usize = 32;
const SIGNALS: usize = 16;
/// At a constant cost both would take equally long. Measured: a hundred times.
const FAR_LONGER: u64 = 4;

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let primary = s.export(on.exporter, 1)?.primary;
    let alias = s.must_derive("RO alias", &primary, RDONLY)?;
    let timeline = Timeline::new()?;
    let alone = signals(&primary, &timeline)?;
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
    let crowded = signals(&primary, &timeline)?;
    s.hazard("with them a signal takes far longer", crowded > alone * FAR_LONGER);
    Ok(())
}

/// The shortest time that it takes to signal a fence of the buffer that somebody polls for, in ticks. What other programs take of the
/// processor is in the others.
fn signals(primary: &Fd, timeline: &Timeline) -> CaseResult<u64> {
    let mut shortest = u64::MAX;
    for _ in 0..SIGNALS {
        let fence = timeline.next()?;
        import_sync_file(primary.as_fd(), SyncAccess::Write, fence.as_fd()).or_broken("importing a fence")?;
        poll_now(primary).or_broken("poll")?;
        let (ticks, signalled) = ticks_of(|| timeline.advance());
        signalled?;
        shortest = shortest.min(ticks);
    }
    Ok(shortest)
}
