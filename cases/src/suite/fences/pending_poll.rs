//! Descriptors that are closed while a poll waits for a fence.

use crate::prelude::*;

case! {
    /// A poll through an alias leaves a callback on the fence. If all descriptors are closed before the fence signals,
    /// the buffer is released after the callback has run, and not before. If descriptors are left, the callback does
    /// not change any reference count, and after one of them is closed the next poll through the polled one does not add a
    /// second callback. A process that sleeps in poll keeps the buffer alive as a descriptor does.
    "F-5", Contract, Exporter::MAIN, [SwSync, TestImporter], [ALIASES, DUPLICATES],
    relies on [Closing]
}

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let (observer, descriptors) = quiet_family(on)?;
    let fds: Vec<_> = descriptors.iter().collect();
    let before = observer.counts(&fds)?;
    let polled = poll_for_reading(&descriptors[2]);
    let same = observer.unchanged(&fds, &before)?;
    let sentence = format!("poll on {}, without a fence: reference counts unchanged", descriptors[2].name);
    if !s.holds(sentence, polled.map_err(gave).and(same)) {
        return Ok(());
    }
    for polled in 0..4 {
        for access in [SyncAccess::Read, SyncAccess::Write] {
            if !(counts_come_back(s, on, polled, access)? && all_closed(s, on, polled, access)?) {
                // The kernel's reference counts are wrong from here on.
                return Ok(());
            }
        }
    }
    for access in [SyncAccess::Read, SyncAccess::Write] {
        if !polled_again(s, on, access)? {
            return Ok(());
        }
    }
    asleep(s, on)
}

fn counts_come_back(s: &mut Steps, on: CaseParams, polled: usize, access: SyncAccess) -> CaseResult<bool> {
    let (observer, descriptors) = quiet_family(on)?;
    let fds: Vec<_> = descriptors.iter().collect();
    let name = descriptors[polled].name.clone();
    let before = observer.counts(&fds)?;
    let timeline = Timeline::new()?;
    let fence = timeline.fence(1)?;
    let waits = polls(&descriptors, polled, access, &fence)?;
    timeline.advance()?;
    let same = observer.unchanged(&fds, &before)?;
    let sentence = format!("poll on {}, {} fence signals: reference counts unchanged", name, access_text(access));
    Ok(s.holds(sentence, same) && must_wait(s, &name, access, waits))
}

fn all_closed(s: &mut Steps, on: CaseParams, polled: usize, access: SyncAccess) -> CaseResult<bool> {
    let (observer, descriptors) = quiet_family(on)?;
    let timeline = Timeline::new()?;
    let fence = timeline.fence(1)?;
    let waits = polls(&descriptors, polled, access, &fence)?;
    let name = descriptors[polled].name.clone();
    // The polled descriptor is closed first: closing the others must not free what the callback uses.
    let mut descriptors: Vec<_> = descriptors.into_iter().map(Some).collect();
    drop(descriptors[polled].take());
    drop(descriptors);
    if !must_wait(s, &name, access, waits) {
        return Ok(false);
    }
    let early = observer.alive()?.map_err(|wrong| format!("with the callback pending: {wrong}"));
    timeline.advance()?;
    let released = observer.gone()?.map_err(|wrong| format!("after the callback: {wrong}"));
    let sentence = format!(
        "poll on {}, {} fence, all closed: buffer released once, after the callback",
        name,
        access_text(access)
    );
    Ok(s.holds(sentence, early.and(released)))
}

/// A callback stays when somebody else who shares the buffer leaves: a poll through the same descriptor finds it, whether it is the buffer's
/// or the descriptor's.
fn polled_again(s: &mut Steps, on: CaseParams, access: SyncAccess) -> CaseResult<bool> {
    let (observer, mut descriptors) = quiet_family(on)?;
    let timeline = Timeline::new()?;
    let fence = timeline.fence(1)?;
    let waits = polls(&descriptors, 1, access, &fence)?;
    if !must_wait(s, &descriptors[1].name, access, waits) {
        return Ok(false);
    }
    drop(descriptors.pop());
    let fds: Vec<_> = descriptors.iter().collect();
    let pending = observer.counts(&fds)?;
    poll_now(&descriptors[1]).or_broken("poll")?;
    let same = observer.unchanged(&fds, &pending)?;
    timeline.advance()?;
    let sentence = format!("{} fence, one descriptor closed, poll again: no second callback", access_text(access));
    Ok(s.holds(sentence, same))
}

/// Imports a fence and polls. Returns whether poll added a callback.
fn polls(descriptors: &[Fd], polled: usize, access: SyncAccess, fence: &impl AsFd) -> CaseResult<Result<(), String>> {
    let ready = ready(&descriptors[polled])?;
    import_sync_file(into(descriptors, polled, access), access, fence.as_fd()).or_broken("importing a fence")?;
    Ok(ready.and(waits(&descriptors[polled], access)?))
}

/// Write fences go in through the primary: whether a read-only alias takes them is not this clause's matter.
fn into(descriptors: &[Fd], polled: usize, access: SyncAccess) -> BorrowedFd<'_> {
    descriptors[if matches!(access, SyncAccess::Write) { 0 } else { polled }].as_fd()
}

/// Whether poll reports both events where there is no fence: an event that it never reports has no callback.
fn ready(fd: &Fd) -> CaseResult<Result<(), String>> {
    let ready = poll_now(fd).or_broken("poll")?;
    let both = PollFlags::POLLIN | PollFlags::POLLOUT;
    Ok(ensure(ready == both, || format!("without a fence poll returned {}", poll_text(ready))))
}

/// Whether poll added a callback, which it does not if there is nothing to wait for.
fn waits(fd: &Fd, access: SyncAccess) -> CaseResult<Result<(), String>> {
    let ready = poll_now(fd).or_broken("poll")?;
    let want = if matches!(access, SyncAccess::Write) { PollFlags::empty() } else { PollFlags::POLLIN };
    Ok(ensure(ready == want, || format!("poll does not wait for the fence, it returned {}", poll_text(ready))))
}

/// Without a callback, this case has nothing to judge.
fn must_wait(s: &mut Steps, name: &str, access: SyncAccess, waits: Result<(), String>) -> bool {
    waits.is_ok() || s.about("F-2").holds(format!("poll on {name} waits for the {} fence", access_text(access)), waits)
}

fn asleep(s: &mut Steps, on: CaseParams) -> CaseResult {
    let (observer, descriptors) = quiet_family(on)?;
    let timeline = Timeline::new()?;
    let fence = timeline.fence(1)?;
    import_sync_file(descriptors[0].as_fd(), SyncAccess::Write, fence.as_fd()).or_broken("importing a fence")?;
    let sleeper = Sleeper::start(&descriptors[2], PollFlags::POLLIN)?;
    drop(descriptors);
    s.holds("all closed while a process sleeps in poll: buffer alive", observer.alive()?);
    timeline.advance()?;
    let woken = sleeper.woken();
    let right = matches!(woken, Some(Ok(PollFlags::POLLIN)));
    s.about("F-2").check("the signal wakes the process with POLLIN", right, format_args!("{woken:?}"));
    Ok(())
}

fn quiet_family(on: CaseParams) -> CaseResult<(BufferObserver, Vec<Fd>)> {
    let primary = export(on.exporter, 1).or_broken("export of a buffer")?.primary;
    let observer = BufferObserver::start(&primary)?;
    let descriptors = on.fds().quiet(primary).or_broken("more descriptors of a buffer")?;
    Ok((observer, descriptors.into_vec()))
}
