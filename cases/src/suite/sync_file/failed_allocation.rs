//! The ioctls of sync_files and timelines when any one of their allocations fails.

use crate::prelude::*;

case! {
    /// If the first, second, third ... allocation inside CREATE_FENCE, INC, MERGE or FILE_INFO fails, the caller gets
    /// ENOMEM, ENFILE, EMFILE or EAGAIN, no descriptor, fence or timeline is left, and the same call succeeds the next
    /// time.
    "L-8", Contract, Exporter::HEAP, [SwSync, FaultInjection]
}

fn run(s: &mut Steps, _: CaseParams) -> CaseResult {
    let fail = FailNth::prepare()?;
    let (a, b) = (Timeline::named("alloc a")?, Timeline::named("alloc b")?);
    let (one, two) = (a.next()?, b.next()?);
    let any = Fd::new("any", dup(one.as_fd()).or_broken("dup")?);
    let next = next_number(&any)?;
    let points = |name: &str| -> CaseResult<_> {
        let listed = listed_timelines().or_broken(SYNC_INFO)?;
        Ok(listed.into_iter().find(|timeline| timeline.name == name).map(|timeline| timeline.pending))
    };
    let kept = || -> CaseResult<Result<(), String>> {
        let pending = (points("alloc a")?, points("alloc b")?);
        let fences = ensure(pending == (Some(1), Some(1)), || format!("pending fences: {pending:?}"));
        Ok(fences.and(ensure(next_number(&any)? == next, || "a descriptor is left".into())))
    };
    let again = |result: Result<(), Errno>| result.map_err(|errno| format!("the next call: {}", errno_name(errno)));

    let create = |(): &()| sw_sync::create_fence(a.as_fd(), 5, "x");
    let walked = fail.each_allocation(|| Ok(()), create, |(), _| Ok(kept()?.and(again(create(&()).map(drop)))))?;
    s.holds("CREATE_FENCE with any allocation failing: a clean errno, nothing left", some(walked));

    let merge = |(): &()| sync_file::merge(one.as_fd(), two.as_fd());
    let walked = fail.each_allocation(|| Ok(()), merge, |(), _| Ok(kept()?.and(again(merge(&()).map(drop)))))?;
    s.holds("MERGE with any allocation failing: a clean errno, nothing left", some(walked));

    let merged = sync_file::merge(one.as_fd(), two.as_fd()).or_broken("merging")?;
    let deep = |(): &()| sync_file::merge(merged.as_fd(), merged.as_fd());
    let kept_now = || -> CaseResult<Result<(), String>> {
        let pending = (points("alloc a")?, points("alloc b")?);
        Ok(ensure(pending == (Some(1), Some(1)), || format!("pending fences: {pending:?}")))
    };
    let walked = fail.each_allocation(|| Ok(()), deep, |(), _| Ok(kept_now()?.and(again(deep(&()).map(drop)))))?;
    s.holds("MERGE of merges with any allocation failing: a clean errno, nothing left", some(walked));

    signalled(s, &fail)?;

    let info = |(): &()| sync_file::info(merged.as_fd());
    let walked = fail.each_allocation(|| Ok(()), info, |(), _| Ok(kept_now()?.and(again(info(&()).map(drop)))))?;
    s.holds("FILE_INFO with any allocation failing: a clean errno, nothing left", some(walked));

    let steps = || Timeline::new().and_then(|timeline| Ok((timeline.next()?, timeline)));
    let inc = |(_, timeline): &(OwnedFd, Timeline)| sw_sync::advance(timeline.as_fd(), 1);
    let walked = fail.each_allocation(steps, inc, |(fence, _), result| {
        let status = sync_file::info(fence.as_fd()).map(|info| info.status);
        Ok(ensure(status == Ok(i32::from(result.is_ok())), || format!("the fence has status {status:?}")))
    })?;
    s.holds("INC with any allocation failing: a clean errno, and the fence signals if it succeeds", walked.map(drop));

    drop((one, two, any, merged, a, b));
    let left = listed_timelines().or_broken(SYNC_INFO)?;
    let left = left.iter().filter(|timeline| timeline.name.starts_with("alloc")).count();
    s.check("all closed: no timeline is left", left == 0, format_args!("{left} timelines are still in sync/info"));
    Ok(())
}

/// MERGE of fences that have signalled, which makes a fence of its own.
fn signalled(s: &mut Steps, fail: &FailNth) -> CaseResult {
    let (a, b) = (Timeline::named("alloc done a")?, Timeline::named("alloc done b")?);
    let (one, two) = (a.next()?, b.next()?);
    a.advance()?;
    b.advance()?;
    let status = |file: &OwnedFd| sync_file::info(file.as_fd()).map(|info| info.status);
    let merge = |(): &()| sync_file::merge(one.as_fd(), two.as_fd());
    let used = |file: OwnedFd| {
        let ready = poll_for(file.as_fd(), PollFlags::POLLIN).map_err(gave)?;
        let status = status(&file).map_err(gave)?;
        ensure(status == 1 && !ready.is_empty(), || format!("status {status}, {}", poll_text(ready)))
    };
    let walked = fail.each_allocation(
        || Ok(()),
        merge,
        |(), _| Ok(merge(&()).map_err(gave).and_then(used).map_err(|wrong| format!("the next call: {wrong}"))),
    )?;
    s.holds("MERGE of signalled fences with any allocation failing: a clean errno, then it works", some(walked));
    Ok(())
}
