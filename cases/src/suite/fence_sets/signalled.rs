//! Fences that have signalled, with and without an error.

use crate::prelude::*;

case! {
    /// Importing a fence that has signalled, also one with an error, a merge of such fences or what an idle buffer exports, succeeds and makes nobody
    /// wait. Next to it a pending fence is waited for as ever. A buffer that takes many fences, each of which signals
    /// before the next one comes, does not keep them.
    "SET-3", Contract, Exporter::HEAP, [SwSync], [ALIASES, DUPLICATES],
    relies on [Polling]
}

/// Fences that are imported one after the other, and how many of them a buffer may hold on to.
const MANY: usize = 16;
const KEPT: usize = 4;

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let primary = s.export(on.exporter, 1)?.primary;
    let descriptors = s.descriptors_of(on.fds(), primary)?.into_vec();
    let timeline = Timeline::new()?;
    let signalled = timeline.next()?;
    timeline.advance()?;
    let (failed, both) = {
        let closed = Timeline::new()?;
        let failed = closed.next()?;
        let other = Timeline::new()?;
        let both = sync_file::merge(failed.as_fd(), other.next()?.as_fd()).or_broken("merging")?;
        // Closing a timeline signals its fences with ENOENT.
        (failed, both)
    };
    let idle = export_sync_file(descriptors[3].as_fd(), SyncAccess::Write).or_broken("exporting the fences")?;
    let waiting = Timeline::new()?;
    for (name, file) in [
        ("signalled fence", &signalled),
        ("fence with an error", &failed),
        ("merge with an error", &both),
        ("export without a fence", &idle),
    ] {
        for (into, access) in [(&descriptors[1], SyncAccess::Write), (&descriptors[2], SyncAccess::Read)] {
            let imported = s.import_fence(into, access, name, file);
            s.succeeds(format!("{} imports the {name}", into.name), imported)?;
            s.must_hold("nobody has to wait", shows(&descriptors, None))?;
            let fence = waiting.next()?;
            import_sync_file(descriptors[0].as_fd(), access, fence.as_fd()).or_broken("importing a fence")?;
            import_sync_file(descriptors[3].as_fd(), SyncAccess::Read, file.as_fd()).or_broken("importing a fence")?;
            let found = shows(&descriptors, Some(access));
            s.must_hold(format!("a pending fence for {} beside it is waited for", access_text(access)), found)?;
            waiting.advance()?;
            s.must_hold("nobody has to wait after its signal", shows(&descriptors, None))?;
        }
    }
    let before = listed_timelines().or_broken(SYNC_INFO)?.len();
    let mut kept = 0;
    for _ in 0..MANY {
        let timeline = Timeline::new()?;
        let fence = timeline.next()?;
        import_sync_file(descriptors[0].as_fd(), SyncAccess::Read, fence.as_fd()).or_broken("importing a fence")?;
        timeline.advance()?;
        drop((timeline, fence));
        // Not at the end alone: a buffer that runs out of room may drop them all at once.
        kept = kept.max(listed_timelines().or_broken(SYNC_INFO)?.len().saturating_sub(before));
    }
    let text = format_args!("it keeps {kept}");
    s.check(
        format!("of {MANY} fences that signal one after the other the buffer keeps at most {KEPT}"),
        kept <= KEPT,
        text,
    );
    Ok(())
}

/// Whether poll through each descriptor, and exports through one, show one pending fence of this kind, or none.
fn shows(descriptors: &[Fd], kind: Option<SyncAccess>) -> Result<(), String> {
    let mut ready = PollFlags::empty();
    ready.set(PollFlags::POLLIN, kind != Some(SyncAccess::Write));
    ready.set(PollFlags::POLLOUT, kind.is_none());
    for fd in descriptors {
        let got = poll_now(fd).map_err(gave)?;
        ensure(got == ready, || format!("poll({}): {}", fd.name, poll_text(got)))?;
    }
    let fd = &descriptors[2];
    for (access, want) in [(SyncAccess::Read, kind == Some(SyncAccess::Write)), (SyncAccess::Write, kind.is_some())] {
        let got = pending(fd, access).map_err(gave)?;
        let text = || format!("export_sync_file({}, {}): {got} pending", fd.name, access_text(access));
        ensure(got == usize::from(want), text)?;
    }
    Ok(())
}
