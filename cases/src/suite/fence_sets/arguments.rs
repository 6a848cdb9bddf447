//! Wrong arguments of IMPORT_SYNC_FILE and EXPORT_SYNC_FILE.

use std::fs::File;

use nix::fcntl::OFlag;

use crate::prelude::*;

case! {
    /// Both ioctls accept READ, WRITE and both, and EINVAL is the answer to all other flags. An import of what is not a
    /// sync_file gives EINVAL, an argument that cannot be read or written EFAULT, a full descriptor table EMFILE. No
    /// failing call leaves a descriptor or a fence, or changes what the buffer waits for.
    "SET-5", Contract, Exporter::HEAP, [SwSync], [ALIASES, DUPLICATES],
    relies on [Polling]
}

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let primary = s.export(on.exporter, 1)?.primary;
    let descriptors = s.descriptors_of(on.fds(), primary)?.into_vec();
    let timeline = Timeline::named("wrong calls")?;
    let fence = timeline.next()?;
    let next = next_number(&descriptors[0])?;
    // A read-only alias may refuse writers first.
    let wrong_flags: Vec<u32> = [0].into_iter().chain((2..32).flat_map(|bit| [1 << bit, 1 << bit | 1])).collect();
    let null = File::open("/dev/null").or_broken("/dev/null")?;
    let path = reopen(fence.as_raw_fd(), OFlag::O_PATH).or_broken("opening a sync_file with O_PATH")?;
    let (number, bad) = (fence.as_raw_fd(), BadPointers::new()?);
    for fd in &descriptors {
        let found = wrong_flags.iter().try_for_each(|flags| {
            let import = dma_buf::import_sync_file_with(fd.as_fd(), *flags, number);
            let export = dma_buf::export_sync_file_with(fd.as_fd(), *flags).map(drop);
            let text = || format!("flags {flags:#x}: {} and {}", outcome_name(&import), outcome_name(&export));
            ensure((import, export) == (Err(Errno::EINVAL), Err(Errno::EINVAL)), text)
        });
        s.holds(format!("{}: other flags give EINVAL", fd.name), found);
        let files = [
            ("-1", -1),
            ("a closed number", 1000),
            ("a dma-buf", fd.number()),
            ("a timeline", timeline.as_fd().as_raw_fd()),
            ("/dev/null", null.as_raw_fd()),
            ("an O_PATH descriptor of a sync_file", path.as_raw_fd()),
        ];
        let found = files.into_iter().try_for_each(|(what, number)| {
            let result = dma_buf::import_sync_file_with(fd.as_fd(), SyncAccess::Read.bits(), number);
            ensure(result == Err(Errno::EINVAL), || format!("{what}: {}", outcome_name(&result)))
        });
        s.holds(format!("{}: importing what is not a sync_file gives EINVAL", fd.name), found);
        for (name, request, written) in
            [("import", dma_buf::IMPORT_SYNC_FILE, false), ("export", dma_buf::EXPORT_SYNC_FILE, true)]
        {
            let argument = dma_buf::sync_file_bytes(SyncAccess::Read, number);
            let found = bad.refused(&PointerRequest { fd: fd.as_fd(), number: request, argument, written })?;
            s.holds(format!("{}: bad pointers for {name} give EFAULT and leave no descriptor", fd.name), found);
        }
        let result =
            with_fd_limit(next_number(fd)? as u64, || export_sync_file(fd.as_fd(), SyncAccess::Read).map(drop))?;
        let text = || outcome_name(&result);
        s.holds(
            format!("{}: export with a full table gives EMFILE", fd.name),
            ensure(result == Err(Errno::EMFILE), text),
        );
    }
    drop((path, null));
    s.equal("no descriptor is left", next_number(&descriptors[0])?, next);
    let both = PollFlags::POLLIN | PollFlags::POLLOUT;
    let idle = descriptors.iter().try_for_each(|fd| {
        let got = poll_now(fd).map_err(gave)?;
        ensure(got == both, || format!("poll({}): {}", fd.name, poll_text(got)))
    });
    s.holds("no call imported the fence", idle);
    drop((fence, timeline));
    let left = listed_timelines().or_broken(SYNC_INFO)?.iter().any(|timeline| timeline.name == "wrong calls");
    s.check("no call kept the fence", !left, "its timeline is still in sync/info");
    Ok(())
}
