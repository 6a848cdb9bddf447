//! poll with every combination of pending fences and requested events, after every signal.

use crate::prelude::*;

case! {
    /// With no fence, one fence or two fences of each kind, which signal in each order, and after each signal: poll for
    /// POLLIN, for POLLOUT and for both reports POLLIN exactly if no write fence is pending, and POLLOUT exactly if no
    /// fence is pending, on every descriptor. It makes no difference whether somebody polled before the signal.
    "WAIT-1", Contract, Exporter::MAIN, [SwSync], [ALIASES, DUPLICATES],
    relies on [Polling]
}

const SETS: [&[SyncAccess]; 6] = [
    &[],
    &[SyncAccess::Write],
    &[SyncAccess::Read],
    &[SyncAccess::Write, SyncAccess::Read],
    &[SyncAccess::Write, SyncAccess::Write],
    &[SyncAccess::Read, SyncAccess::Read],
];

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let primary = s.export(on.exporter, 1)?.primary;
    let descriptors = s.descriptors_of(on.fds(), primary)?.into_vec();
    let timelines = [Timeline::new()?, Timeline::new()?];
    for set in SETS {
        let mut found = Ok(());
        for order in permutations(set.len()) {
            for polled_before in [true, false] {
                found = found.and(follows(&descriptors, &timelines, set, &order, polled_before)?);
            }
        }
        if !s.holds(format!("{}: poll follows every signal", set_text(set)), found) {
            // The callbacks of poll may have wrong reference counts now.
            return Ok(());
        }
    }
    Ok(())
}

fn set_text(set: &[SyncAccess]) -> String {
    match set {
        [] => "no fence".into(),
        ways => ways.iter().map(|access| format!("{} fence", access_text(*access))).collect::<Vec<_>>().join(" and "),
    }
}

/// Imports a fence for each of `set` and signals them in this order.
fn follows(
    descriptors: &[Fd],
    timelines: &[Timeline],
    set: &[SyncAccess],
    order: &[usize],
    polled_before: bool,
) -> CaseResult<Result<(), String>> {
    for (index, access) in set.iter().enumerate() {
        // Whether a read-only alias takes a write fence is for a record to say.
        let into = if *access == SyncAccess::Write { &descriptors[index] } else { &descriptors[3 - index] };
        let fence = timelines[index].next()?;
        import_sync_file(into.as_fd(), *access, fence.as_fd()).or_broken("importing a fence")?;
    }
    let mut found = if polled_before || set.is_empty() { each_is(descriptors, set) } else { Ok(()) };
    for step in 0..order.len() {
        timelines[order[step]].advance()?;
        let pending: Vec<SyncAccess> = order[step + 1..].iter().map(|index| set[*index]).collect();
        let signalled = order[..=step].iter().map(|index| access_text(set[*index])).collect::<Vec<_>>().join(", ");
        found = found.and(each_is(descriptors, &pending).map_err(|wrong| format!("signalled {signalled}: {wrong}")));
    }
    Ok(found)
}

/// Whether poll reports what it has to on each descriptor while fences of these kinds are pending.
fn each_is(descriptors: &[Fd], pending: &[SyncAccess]) -> Result<(), String> {
    let mut ready = PollFlags::empty();
    ready.set(PollFlags::POLLIN, !pending.contains(&SyncAccess::Write));
    ready.set(PollFlags::POLLOUT, pending.is_empty());
    for fd in descriptors {
        for events in [PollFlags::POLLIN, PollFlags::POLLOUT, PollFlags::POLLIN | PollFlags::POLLOUT] {
            let got = poll_for(fd.as_fd(), events).map_err(gave)?;
            let text = || format!("poll({}, {}): {}", fd.name, poll_text(events), poll_text(got));
            ensure(got == events & ready, text)?;
        }
    }
    Ok(())
}
