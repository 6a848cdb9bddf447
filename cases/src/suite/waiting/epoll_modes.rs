//! epoll in each of its modes while a write fence and a read fence are pending.

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

use crate::prelude::*;

case! {
    /// A write fence and a read fence signal in each order. After every signal epoll, level-triggered, edge-triggered
    /// and one-shot, reports EPOLLIN on every descriptor exactly if no write fence is pending, and EPOLLOUT exactly if
    /// no fence is pending. Level-triggered it does so again when asked again, one-shot only after it is armed again.
    "WAIT-1", Contract, Exporter::HEAP, [SwSync], [ALIASES, DUPLICATES],
    relies on [Polling]
}

const BOTH: EpollFlags = EpollFlags::EPOLLIN.union(EpollFlags::EPOLLOUT);
const MODES: [(&str, EpollFlags); 3] = [
    ("level-triggered", EpollFlags::empty()),
    ("edge-triggered", EpollFlags::EPOLLET),
    ("one-shot", EpollFlags::EPOLLONESHOT),
];

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let primary = s.export(on.exporter, 1)?.primary;
    let descriptors = s.descriptors_of(on.fds(), primary)?.into_vec();
    let timelines = [Timeline::new()?, Timeline::new()?];
    for (mode, flags) in MODES {
        for order in [[0, 1], [1, 0]] {
            let mut found = Ok(());
            for events in [EpollFlags::EPOLLIN, EpollFlags::EPOLLOUT, BOTH] {
                found = found.and(follows(&descriptors, &timelines, events, flags, order)?);
            }
            let first = access_text(ACCESSES[order[0]]);
            if !s.holds(format!("{mode}, the {first} fence signals first: epoll follows every signal"), found) {
                return Ok(());
            }
        }
    }
    Ok(())
}

const ACCESSES: [SyncAccess; 2] = [SyncAccess::Write, SyncAccess::Read];

fn follows(
    descriptors: &[Fd],
    timelines: &[Timeline; 2],
    events: EpollFlags,
    mode: EpollFlags,
    order: [usize; 2],
) -> CaseResult<Result<(), String>> {
    for (index, access) in ACCESSES.into_iter().enumerate() {
        let fence = timelines[index].next()?;
        import_sync_file(descriptors[index].as_fd(), access, fence.as_fd()).or_broken("importing a fence")?;
    }
    let watch = Watch::new(descriptors, events | mode)?;
    let mut found = watch.reports(EpollFlags::empty(), "with both pending")?;
    timelines[order[0]].advance()?;
    let ready = if order[0] == 0 { events & EpollFlags::EPOLLIN } else { EpollFlags::empty() };
    found = found.and(watch.reports(ready, "after the first signal")?);
    found = found.and(watch.asked_again(mode, ready, "after the first signal")?);
    timelines[order[1]].advance()?;
    found = found.and(watch.reports(events, "after both signals")?);
    Ok(found.and(watch.asked_again(mode, events, "after both signals")?))
}

/// An epoll instance that watches several descriptors.
struct Watch<'a> {
    epoll: Epoll,
    descriptors: &'a [Fd],
    flags: EpollFlags,
}

impl<'a> Watch<'a> {
    fn new(descriptors: &'a [Fd], flags: EpollFlags) -> CaseResult<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).or_broken("epoll_create1")?;
        for (index, fd) in descriptors.iter().enumerate() {
            epoll.add(fd, EpollEvent::new(flags, index as u64)).or_broken("epoll_ctl")?;
        }
        Ok(Watch { epoll, descriptors, flags })
    }

    /// Whether epoll reports exactly `ready` on each descriptor.
    fn reports(&self, ready: EpollFlags, when: &str) -> CaseResult<Result<(), String>> {
        let mut events = vec![EpollEvent::empty(); self.descriptors.len()];
        let count = self.epoll.wait(&mut events, EpollTimeout::ZERO).or_broken("epoll_wait")?;
        let mut got = vec![EpollFlags::empty(); self.descriptors.len()];
        for event in &events[..count] {
            got[event.data() as usize] = event.events();
        }
        let mut each = self.descriptors.iter().zip(got);
        Ok(each.try_for_each(|(fd, got)| {
            let asked = self.flags & BOTH;
            ensure(got == ready, || format!("{when}, asked for {asked:?} on {}: {got:?}, expected {ready:?}", fd.name))
        }))
    }

    /// The second look at the same state. Edge-triggered epoll may report again or not: poll itself wakes waiters.
    fn asked_again(&self, mode: EpollFlags, ready: EpollFlags, when: &str) -> CaseResult<Result<(), String>> {
        if mode == EpollFlags::EPOLLET {
            return Ok(Ok(()));
        }
        if mode.is_empty() || ready.is_empty() {
            return self.reports(ready, &format!("{when}, asked again"));
        }
        let disarmed = self.reports(EpollFlags::empty(), &format!("{when}, not armed again"))?;
        for (index, fd) in self.descriptors.iter().enumerate() {
            self.epoll.modify(fd, &mut EpollEvent::new(self.flags, index as u64)).or_broken("epoll_ctl")?;
        }
        let armed = self.reports(ready, &format!("{when}, armed again"))?;
        // Armed for the next signal.
        for (index, fd) in self.descriptors.iter().enumerate() {
            self.epoll.modify(fd, &mut EpollEvent::new(self.flags, index as u64)).or_broken("epoll_ctl")?;
        }
        Ok(disarmed.and(armed))
    }
}
