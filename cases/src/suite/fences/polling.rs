//! What poll and epoll report while a fence is pending, and who wakes up when it signals.

use crate::prelude::*;

case! {
    /// On every descriptor, for poll and for epoll, a pending write fence blocks POLLIN and POLLOUT and a pending read
    /// fence blocks only POLLOUT. When the fence signals, epoll reports every descriptor, and every process that sleeps
    /// in poll wakes up, whichever descriptor it polls.
    "F-2", Contract, Exporter::WITH_DEVICES, [SwSync],
    [ALIASES, DUPLICATES],
    relies on [Polling]
}

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let primary = s.export(on.exporter, 1)?.primary;
    if on.fds() == FdKind::Duplicate {
        let descriptors = s.duplicates(primary)?;
        return judge(s, &descriptors);
    }
    let descriptors = s.descriptors(primary)?.into_vec();
    judge(s, &descriptors)
}

const BOTH: PollFlags = PollFlags::POLLIN.union(PollFlags::POLLOUT);

/// Polls every descriptor of `descriptors` with each kind of fence pending.
fn judge(s: &mut Steps, descriptors: &[Fd]) -> CaseResult {
    s.holds("without a fence, poll on each: POLLIN|POLLOUT", agree(descriptors, BOTH));
    let timeline = Timeline::new()?;
    let kinds = [("write", SyncAccess::Write, PollFlags::empty()), ("read", SyncAccess::Read, PollFlags::POLLIN)];
    for (index, (kind, access, ready)) in kinds.into_iter().enumerate() {
        let into = &descriptors[(index + 1) % descriptors.len()];

        let fence = timeline.fence(index as u32 + 1)?;
        let imported = s.import_fence(into, access, &format!("{kind} fence"), &fence);
        s.succeeds(format!("{} imports the {kind} fence", into.name), imported)?;
        s.holds(format!("poll on each: {}", poll_text(ready)), agree(descriptors, ready));
        let wakeups = Wakeups::of(descriptors)?;
        s.holds(format!("epoll on each: {}", poll_text(ready)), all(descriptors, &wakeups.take()?, ready));
        timeline.advance()?;
        let woken = wakeups.take()?;
        s.holds("after the signal, epoll reports each as ready", all(descriptors, &woken, BOTH));
        drop(wakeups);
        if s.failed() {
            // After a callback with a wrong reference count the next poll may hang.
            return Ok(());
        }
        s.holds("after the signal, poll on each: POLLIN|POLLOUT", agree(descriptors, BOTH));
    }
    sleepers(s, descriptors, &timeline)
}

/// Threads that sleep in poll(2), which epoll does not test.
fn sleepers(s: &mut Steps, descriptors: &[Fd], timeline: &Timeline) -> CaseResult {
    let fence = timeline.fence(3)?;
    let imported = s.import_fence(&descriptors[0], SyncAccess::Write, "third fence", &fence);
    s.succeeds("primary imports the third fence", imported)?;
    let sleepers =
        descriptors.iter().map(|fd| Sleeper::start(fd, PollFlags::POLLOUT)).collect::<CaseResult<Vec<_>>>()?;
    s.check("a thread sleeps in poll on each", sleepers.iter().all(Sleeper::asleep), "one has returned");
    timeline.advance()?;
    s.holds("the signal wakes each thread with POLLOUT", sleepers.iter().try_for_each(woken));
    Ok(())
}

fn agree(descriptors: &[Fd], want: PollFlags) -> Result<(), String> {
    let got = descriptors.iter().map(poll_now).collect::<Result<Vec<_>, _>>().map_err(gave)?;
    all(descriptors, &got, want)
}

fn all(descriptors: &[Fd], got: &[PollFlags], want: PollFlags) -> Result<(), String> {
    let mut each = descriptors.iter().zip(got);
    each.try_for_each(|(fd, got)| ensure(*got == want, || format!("{}: {}", fd.name, poll_text(*got))))
}

fn woken(sleeper: &Sleeper) -> Result<(), String> {
    match sleeper.woken() {
        Some(Ok(PollFlags::POLLOUT)) => Ok(()),
        Some(Ok(other)) => Err(format!("{}: {}", sleeper.name, poll_text(other))),
        Some(Err(errno)) => Err(format!("{}: poll returned {errno:?}", sleeper.name)),
        None => Err(format!("{} was not woken", sleeper.name)),
    }
}
