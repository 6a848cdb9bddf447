//! Two fences of one timeline, imported in each order.

use crate::prelude::*;

case! {
    /// Two fences of one timeline are imported, the later one first, second, or the same one twice, for reading and for
    /// writing. After every step of the timeline, poll and the exported sync_files wait exactly as long as one of the
    /// two is pending for this use: an import never removes a fence that is later than its own, nor one that others
    /// have to wait for more strictly.
    "SET-1", Contract, Exporter::HEAP, [SwSync], [ALIASES, DUPLICATES],
    relies on [Polling]
}

const VALUES: [[u32; 2]; 3] = [[2, 1], [1, 2], [1, 1]];

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let primary = s.export(on.exporter, 1)?.primary;
    let descriptors = s.descriptors_of(on.fds(), primary)?.into_vec();
    let mut rounds = 0;
    for values in VALUES {
        for ways in [
            [SyncAccess::Write; 2],
            [SyncAccess::Read; 2],
            [SyncAccess::Write, SyncAccess::Read],
            [SyncAccess::Read, SyncAccess::Write],
        ] {
            let imports = [(values[0], ways[0]), (values[1], ways[1])];
            let text = |(value, access)| format!("fence {value} for {}", access_text(access));
            let sentence = format!("{}, then {}: each is waited for", text(imports[0]), text(imports[1]));
            s.must_hold(sentence, waited_for(&descriptors, imports, rounds)?)?;
            rounds += 1;
        }
    }
    Ok(())
}

fn waited_for(descriptors: &[Fd], imports: [(u32, SyncAccess); 2], round: usize) -> CaseResult<Result<(), String>> {
    let timeline = Timeline::new()?;
    for (index, (value, access)) in imports.into_iter().enumerate() {
        // Whether a read-only alias takes a write fence is for a record to say.
        let into = if access == SyncAccess::Write { (round + index) % 2 } else { (round + index) % 4 };
        let fence = timeline.fence(value)?;
        import_sync_file(descriptors[into].as_fd(), access, fence.as_fd()).or_broken("importing a fence")?;
    }
    for reached in 0..=2 {
        let writes = imports.iter().any(|(value, access)| *value > reached && *access == SyncAccess::Write);
        let any = imports.iter().any(|(value, _)| *value > reached);
        let polls = descriptors.iter().try_for_each(|fd| polls(fd, writes, any));
        if let Err(wrong) = polls.and_then(|()| exports(&descriptors[(round + reached as usize) % 4], writes, any)) {
            return Ok(Err(format!("timeline at {reached}: {wrong}")));
        }
        if reached < 2 {
            timeline.advance()?;
        }
    }
    Ok(Ok(()))
}

/// Whether poll shows that a write fence, and that any fence, is pending.
fn polls(fd: &Fd, writes: bool, any: bool) -> Result<(), String> {
    let mut ready = PollFlags::empty();
    ready.set(PollFlags::POLLIN, !writes);
    ready.set(PollFlags::POLLOUT, !any);
    let got = poll_now(fd).map_err(gave)?;
    ensure(got == ready, || format!("poll({}): {}, expected {}", fd.name, poll_text(got), poll_text(ready)))
}

/// Whether exported sync_files show the same.
fn exports(fd: &Fd, writes: bool, any: bool) -> Result<(), String> {
    for (access, pending) in [(SyncAccess::Read, writes), (SyncAccess::Write, any)] {
        let exported = fences(fd, access).map_err(gave)?;
        let text = || format!("export_sync_file({}, {}): {}", fd.name, access_text(access), describe(&exported));
        ensure(exported.status == i32::from(!pending), text)?;
    }
    Ok(())
}
