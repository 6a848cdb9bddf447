//! The last reference of a fence, wherever it is dropped.

use crate::prelude::*;

case! {
    /// A merge waits for two fences, its descriptor and those of the fences are closed, and so is the timeline of the
    /// first. When the second fence signals, the merge and the first timeline are freed, in an interrupt, while another
    /// thread reads sync/info. A sync_file that is closed after a poll, and a fence that only the callback of a
    /// buffer's poll still holds, are freed when their fence signals. Nothing is left, and the kernel does not complain.
    "SF-5", Contract, Exporter::HEAP, [SwSync, TwoProcessors],
    relies on [Polling]
}

const ROUNDS: usize = 8;
/// Time limit for an interrupt of the same machine. Only a broken kernel uses it up.
const PATIENCE: Duration = Duration::from_secs(3);

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let in_use = Timeline::named("in use")?;
    let pending = in_use.next()?;
    for by_closing in [false, true] {
        let how = if by_closing { "closing its timeline" } else { "advancing its timeline" };
        let sentence = format!("the second fence signals by {how}: the first timeline is freed");
        s.must_hold(sentence, freed_by_a_signal(by_closing)?)?;
    }
    let read = || listed_timelines().map(drop);
    let free = || freed_by_a_signal(true).map_or(Err(Errno::EIO), |found| found.map_err(|_| Errno::EBUSY));
    s.holds("the same while another thread reads sync/info", race(ROUNDS, free, read));
    let buffer = s.export(on.exporter, 1)?.primary;
    held_by_poll(s, &buffer)?;
    s.equal("sync/info still lists what is in use", pending_on("in use")?, Some(1));
    drop(pending);
    Ok(())
}

/// The callback of poll runs inside the signal, with the lock of the timeline held, and puts the fence.
fn held_by_poll(s: &mut Steps, buffer: &Fd) -> CaseResult {
    let timeline = Timeline::named("polled")?;
    let polled = timeline.next()?;
    poll_for(polled.as_fd(), PollFlags::POLLIN).or_broken("poll")?;
    drop(polled);
    timeline.advance()?;
    s.equal("sync_file polled and closed: its fence is freed", pending_on("polled")?, Some(0));

    let first = timeline.next()?;
    import_sync_file(buffer.as_fd(), SyncAccess::Write, first.as_fd()).or_broken("importing a fence")?;
    let ready = poll_now(buffer).or_broken("poll")?;
    s.must("poll of the buffer waits for the fence", ready.is_empty(), poll_text(ready))?;
    // Replaces the first one in the buffer.
    let second = timeline.next()?;
    import_sync_file(buffer.as_fd(), SyncAccess::Write, second.as_fd()).or_broken("importing a fence")?;
    drop((first, second));
    s.equal("a later fence replaces it: two fences are pending", pending_on("polled")?, Some(2));
    timeline.advance()?;
    s.equal("the first signals: one fence is pending", pending_on("polled")?, Some(1));
    let ready = poll_now(buffer).or_broken("poll")?;
    s.check("poll of the buffer waits for the second fence", ready.is_empty(), poll_text(ready));
    timeline.advance()?;
    let ready = poll_now(buffer).or_broken("poll")?;
    let both = PollFlags::POLLIN | PollFlags::POLLOUT;
    s.check("the second signals: poll reports POLLIN|POLLOUT", ready == both, poll_text(ready));
    Ok(())
}

fn freed_by_a_signal(by_closing: bool) -> CaseResult<Result<(), String>> {
    let (first, second) = (Timeline::named("freed")?, Timeline::named("signals")?);
    let merged = sync_file::merge(first.next()?.as_fd(), second.next()?.as_fd()).or_broken("merging")?;
    // Adds the callbacks that hold the merge.
    poll_for(merged.as_fd(), PollFlags::POLLIN).or_broken("poll")?;
    drop((merged, first));
    let listed = || Ok(pending_on("freed")?.is_some());
    if !listed()? {
        return Ok(Err("the merge does not keep its first fence".into()));
    }
    if by_closing {
        drop(second);
    } else {
        second.advance()?;
    }
    let deadline = Instant::now() + PATIENCE;
    while listed()? {
        if Instant::now() > deadline {
            return Ok(Err("it is still in sync/info".into()));
        }
        std::thread::yield_now();
    }
    Ok(Ok(()))
}
