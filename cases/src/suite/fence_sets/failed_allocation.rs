//! The ioctls about fences when any one of their allocations fails.

use crate::prelude::*;

case! {
    /// If the first, second, third ... allocation inside EXPORT_SYNC_FILE, IMPORT_SYNC_FILE or SYNC fails, the caller
    /// gets ENOMEM, ENFILE, EMFILE or EAGAIN, no descriptor, fence or reference is left, the buffer waits for what it
    /// waited for, and the same call succeeds the next time.
    "L-8", Contract, Exporter::MAIN, [SwSync, FaultInjection], [ALIASES, DUPLICATES],
    relies on [Closing, Polling]
}

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    // An earlier run of this case may have left some.
    let listed = || -> CaseResult<usize> {
        let timelines = listed_timelines().or_broken(SYNC_INFO)?;
        Ok(timelines.iter().filter(|timeline| ["left", "right"].contains(&timeline.name.as_str())).count())
    };
    let before = listed()?;
    let timelines = ["left", "right"].into_iter().map(Timeline::named).collect::<CaseResult<Vec<_>>>()?;
    let fences = timelines.iter().map(Timeline::next).collect::<CaseResult<Vec<_>>>()?;
    let merged = sync_file::merge(fences[0].as_fd(), fences[1].as_fd()).or_broken("merging")?;
    let any = Fd::new("any", dup(merged.as_fd()).or_broken("dup")?);
    let fail = FailNth::prepare()?;
    let buffer = || {
        let primary = export(on.exporter, 1).or_broken("export of a buffer")?.primary;
        on.fds().quiet(primary).or_broken("more descriptors of a buffer").map(|descriptors| descriptors.into_vec())
    };
    // The third descriptor is a read-only alias, or a duplicate.
    let busy = || {
        let descriptors = buffer()?;
        import_sync_file(descriptors[0].as_fd(), SyncAccess::Write, merged.as_fd()).or_broken("importing fences")?;
        Ok((next_number(&any)?, descriptors))
    };
    let export = |(_, descriptors): &(i32, Vec<Fd>)| export_sync_file(descriptors[2].as_fd(), SyncAccess::Read);
    let walked = fail.each_allocation(busy, export, |prepared, _| {
        let (next, descriptors) = prepared;
        let kept = ensure(next_number(&any)? == *next, || "a descriptor is left".into());
        let again = export(prepared).map_err(|errno| format!("the next export: {}", errno_name(errno)));
        Ok(kept.and(again.map(drop)).and_then(|()| waits_for(&descriptors[2], 2)))
    })?;
    s.holds("export_sync_file with any allocation failing: a clean errno, nothing left", some(walked));

    let idle = || Ok((next_number(&any)?, buffer()?));
    let import =
        |(_, descriptors): &(i32, Vec<Fd>)| import_sync_file(descriptors[3].as_fd(), SyncAccess::Read, merged.as_fd());
    let walked = fail.each_allocation(idle, import, |prepared, result| {
        let descriptors = &prepared.1;
        let imported = waits_for(&descriptors[1], if result.is_ok() { 2 } else { 0 });
        let again = import(prepared).map_err(gave).and_then(|()| waits_for(&descriptors[1], 2));
        Ok(imported.and(again.map_err(|wrong| format!("the next import: {wrong}"))))
    })?;
    s.holds("import_sync_file with any allocation failing: a clean errno, nothing imported", some(walked));

    let sync = |(_, descriptors): &(i32, Vec<Fd>)| begin_cpu_access(descriptors[2].as_fd(), SyncAccess::Read);
    let walked = fail.each_allocation(idle, sync, |prepared, _| {
        let end = || end_cpu_access(prepared.1[2].as_fd(), SyncAccess::Read);
        Ok(sync(prepared).and_then(|()| end()).map_err(|errno| format!("the next SYNC: {}", errno_name(errno))))
    })?;
    // The system heap allocates nothing for a buffer that no device has attached.
    s.holds("SYNC with any allocation failing: a clean errno, the next SYNC succeeds", walked.map(drop));

    drop((fences, merged, any, timelines));
    // A buffer may be released late, and holds fences until then.
    drain_if_possible()?;
    let left = listed()?.saturating_sub(before);
    s.check("all closed: no fence is left", left == 0, format_args!("{left} timelines are still in sync/info"));
    Ok(())
}

fn waits_for(fd: &Fd, want: usize) -> Result<(), String> {
    let got = pending(fd, SyncAccess::Write).map_err(gave)?;
    ensure(got == want, || format!("{got} fences pending, expected {want}"))
}
