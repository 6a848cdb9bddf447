//! The timelines of sw_sync.

use crate::prelude::*;

case! {
    /// A fence signals when its timeline reaches its value and not before, whatever the order of creation, also when
    /// one call passes several fences, at the end of the 31 bits between two values, and where 32 bits overflow to 0. A fence at or below the value is signalled from the start. Two fences at one value are the same, and
    /// their signal wakes the threads that poll either sync_file. A timeline that is closed signals its fences with ENOENT, and debugfs lists
    /// timelines while they are in use.
    "SF-4", Contract, Exporter::HEAP, [SwSync]
}

fn run(s: &mut Steps, _: CaseParams) -> CaseResult {
    let timeline = Timeline::named("steps")?;
    let values = [3, 1, 2, 5];
    let fences = values.map(|value| timeline.fence(value)).into_iter().collect::<CaseResult<Vec<_>>>()?;
    let mut reached = 0;
    for by in [0, 1, 2, 1, 1] {
        reached += by;
        sw_sync::advance(timeline.as_fd(), by).or_broken("advancing a timeline")?;
        let found = values.iter().zip(&fences).try_for_each(|(value, fence)| {
            has_status(fence, i32::from(*value <= reached)).map_err(|wrong| format!("fence at {value}: {wrong}"))
        });
        s.holds(format!("timeline at {reached}: those at or below it are signalled"), found);
    }
    s.holds("a fence below the value is signalled from the start", has_status(&timeline.fence(4)?, 1));
    s.holds("a fence at the value is signalled from the start", has_status(&timeline.fence(5)?, 1));
    let (one, other) = (timeline.fence(7)?, timeline.fence(7)?);
    let info = |file: &OwnedFd| sync_file::info(file.as_fd()).or_broken("file_info");
    s.holds("two fences at one value are the same", same_fence(&info(&one)?, &info(&other)?));
    let listed = || Ok(listed_timelines().or_broken(SYNC_INFO)?.into_iter().find(|timeline| timeline.name == "steps"));
    let before: Option<_> = listed()?;
    let before = before.map(|timeline| (timeline.value, timeline.pending));
    s.equal("sync/info shows the value and the pending fence", before, Some((5, 1)));

    overflow(s)?;
    sleepers(s)?;

    drop(timeline);
    let error = -(Errno::ENOENT as i32);
    let found = has_status(&one, error).and(has_status(&other, error));
    s.holds("timeline closed: the pending fence has the error ENOENT", found);
    s.holds("a fence that had signalled keeps its status", has_status(&fences[0], 1));
    s.check("sync/info lists it while fences exist", listed()?.is_some(), "it is not listed");
    drop((one, other, fences));
    let closed: Option<_> = listed()?;
    s.check("all closed: sync/info does not list it", closed.is_none(), "it is still listed");
    Ok(())
}

/// Threads that sleep in poll of two sync_files of one fence.
fn sleepers(s: &mut Steps) -> CaseResult {
    let timeline = Timeline::new()?;
    let files = [Fd::new("first sync_file", timeline.fence(1)?), Fd::new("second sync_file", timeline.fence(1)?)];
    let threads = [&files[0], &files[1], &files[1]].map(|file| Sleeper::start(file, PollFlags::POLLIN));
    let threads = threads.into_iter().collect::<CaseResult<Vec<_>>>()?;
    timeline.advance()?;
    let found = threads.iter().try_for_each(|thread| {
        let woken = thread.woken();
        ensure(woken == Some(Ok(PollFlags::POLLIN)), || format!("poll of the {}: {woken:?}", thread.name))
    });
    s.holds("a signal wakes all threads that poll a sync_file of the fence", found);
    Ok(())
}

/// Values are compared by their difference, which must not exceed 31 bits; INC takes 32.
fn overflow(s: &mut Steps) -> CaseResult {
    let timeline = Timeline::new()?;
    let far = timeline.fence(i32::MAX as u32)?;
    sw_sync::advance(timeline.as_fd(), i32::MAX as u32 - 1).or_broken("advancing a timeline")?;
    s.holds("one step before 2^31-1: the fence there is pending", has_status(&far, 0));
    let beyond = timeline.fence(1 << 31)?;
    timeline.advance()?;
    s.holds("at 2^31-1: the fence there is signalled", has_status(&far, 1));
    s.holds("at 2^31-1: the fence at 2^31 is pending", has_status(&beyond, 0));
    sw_sync::advance(timeline.as_fd(), u32::MAX).or_broken("advancing a timeline")?;
    s.holds("a step of 2^32-1 passes the fence at 2^31", has_status(&beyond, 1));
    wraparound(s)
}

/// A timeline that passes the greatest value, from which 0 and 1 are the next.
fn wraparound(s: &mut Steps) -> CaseResult {
    let timeline = Timeline::new()?;
    let ahead = [u32::MAX, 0, 1];
    sw_sync::advance(timeline.as_fd(), u32::MAX - 1).or_broken("advancing a timeline")?;
    let fences = ahead.map(|value| timeline.fence(value)).into_iter().collect::<CaseResult<Vec<_>>>()?;
    let merged = sync_file::merge(fences[0].as_fd(), fences[2].as_fd()).or_broken("merging")?;
    for (reached, at) in [u32::MAX - 1].into_iter().chain(ahead).enumerate() {
        let found = fences.iter().zip(ahead).enumerate().try_for_each(|(index, (fence, value))| {
            has_status(fence, i32::from(index < reached)).map_err(|wrong| format!("fence at {value}: {wrong}"))
        });
        s.holds(format!("at {at:#x}: of the fences at 0xffffffff, 0 and 1 the first {reached} are signalled"), found);
        let (state, status) = if reached == 3 { ("signalled", 1) } else { ("pending", 0) };
        s.holds(format!("at {at:#x}: a merge of the first and the last is {state}"), has_status(&merged, status));
        timeline.advance()?;
    }
    s.holds("a fence at the greatest value is below 2", has_status(&timeline.fence(u32::MAX)?, 1));
    Ok(())
}

fn has_status(file: &OwnedFd, want: i32) -> Result<(), String> {
    let status = sync_file::info(file.as_fd()).map_err(gave)?.status;
    ensure(status == want, || format!("status {status}, expected {want}"))
}
