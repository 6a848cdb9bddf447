//! The last reference of a fence, wherever it is dropped.

use crate::prelude::*;

case! {
    /// A merge waits for two fences, its descriptor and those of the fences are closed, and so is the timeline of the
    /// first. When the second fence signals, the merge and the first timeline are freed, in an interrupt, while another
    /// thread reads sync/info. Nothing is left, and the kernel does not complain.
    "SF-5", Contract, Exporter::HEAP, [SwSync]
}

const ROUNDS: usize = 8;
/// Time limit for an interrupt of the same machine. Only a broken kernel uses it up.
const PATIENCE: Duration = Duration::from_secs(3);

fn run(s: &mut Steps, _: On) -> CaseResult {
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
    let listed = listed_timelines().or_broken(SYNC_INFO)?;
    let kept = listed.iter().find(|timeline| timeline.name == "in use").map(|timeline| timeline.pending);
    s.equal("sync/info still lists what is in use", kept, Some(1));
    drop(pending);
    Ok(())
}

fn freed_by_a_signal(by_closing: bool) -> CaseResult<Result<(), String>> {
    let (first, second) = (Timeline::named("freed")?, Timeline::named("signals")?);
    let merged = sync_file::merge(first.next()?.as_fd(), second.next()?.as_fd()).or_broken("merging")?;
    // Adds the callbacks that hold the merge.
    poll_for(merged.as_fd(), PollFlags::POLLIN).or_broken("poll")?;
    drop((merged, first));
    let listed = || Ok(listed_timelines().or_broken(SYNC_INFO)?.iter().any(|timeline| timeline.name == "freed"));
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
