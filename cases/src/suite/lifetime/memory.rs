//! The kernel's small objects behind a descriptor.

use crate::prelude::*;

case! {
    /// What is done with a buffer over and over, with success or without, gives the kernel's small objects back: aliases that are
    /// derived and closed, DERIVE that fails for each reason and with a failing allocation, imports, and fences that are imported,
    /// exported, merged, asked and polled. By the kernel's own count they do not grow.
    "L-11", Contract, Exporter::HEAP, [SwSync, TestImporter, FaultInjection], [ALIASES, DUPLICATES],
    relies on [Importing, Polling, Listing]
}

const TIMES: usize = 512;
/// How many of the first allocations of DERIVE fail in turn.
const ALLOCATIONS: u32 = 5;

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let primary = s.export(on.exporter, 1)?.primary;
    let reader = s.alias_or_duplicate(on.fds(), "RO alias", &primary, RDONLY)?;
    let caches = SlabCaches::all()?;
    let importer = Importer::open().or_broken("opening the test importer")?;
    let timelines = [Timeline::new()?, Timeline::new()?];
    let (fence, other) = (timelines[0].next()?, timelines[1].next()?);

    let again = |act: &dyn Fn() -> Result<(), Errno>, count: usize| (0..count).try_for_each(|_| act());
    let another = |count| again(&|| on.fds().another(&primary).map(drop), count);
    let imported = |count| again(&|| Staged::and_back(&importer, &reader, 1, false), count);
    let fences = |count| {
        let each = || {
            import_sync_file(reader.as_fd(), SyncAccess::Read, fence.as_fd())?;
            let exported = export_sync_file(reader.as_fd(), SyncAccess::Write)?;
            let merged = sync_file::merge(exported.as_fd(), other.as_fd())?;
            sync_file::info(merged.as_fd())?;
            poll_now(&reader).map(drop)
        };
        again(&each, count)
    };
    let mut activities: Vec<Activity<'_>> =
        vec![("open and close", &another), ("import", &imported), ("fences", &fences)];
    // Each of these fails, or is judged by another case.
    let fail = FailNth::prepare()?;
    let limit = next_number(&primary)? as u64;
    let tried = |flags: u32| drop(derive(reader.as_fd(), flags));
    let done = |done: CaseResult<bool>| match done {
        Ok(true) => Ok(()),
        _ => Err(Errno::EIO),
    };
    let without_number =
        |count: usize| done(with_fd_limit(limit, || (0..count).for_each(|_| tried(RDONLY))).map(|()| true));
    let without_file = |count: usize| {
        let _limit = FileMax::set("0").map_err(|_| Errno::EIO)?;
        let unprivileged = || {
            let nobody = become_nobody().is_ok();
            (0..count).for_each(|_| tried(RDONLY));
            i32::from(!nobody)
        };
        done(in_child(unprivileged).map(|ending| ending == ChildStatus::Exited(0)))
    };
    let refused = |count: usize| {
        for _ in 0..count {
            tried(1 << 30);
            tried(RDWR);
            let _ = ioctl_address(reader.as_fd(), shape().request, 0);
        }
        Ok(())
    };
    let without_memory = |count: usize| {
        let mut failing = (1..=ALLOCATIONS).cycle().take(count).map(|nth| fail.failing(nth));
        failing.try_for_each(|failing| done(failing.call(|| derive(reader.as_fd(), RDONLY)).map(|_| true)))
    };
    if on.fds() == FdKind::Alias {
        activities.extend::<[Activity<'_>; 4]>([
            ("DERIVE without a free number", &without_number),
            ("DERIVE at the limit on open files", &without_file),
            ("DERIVE that is refused", &refused),
            ("DERIVE with a failing allocation", &without_memory),
        ]);
    }
    let freed = caches.grow_with_any(TIMES, &activities)?;
    s.holds(format!("{TIMES} times: no memory is lost"), freed);
    Ok(())
}
