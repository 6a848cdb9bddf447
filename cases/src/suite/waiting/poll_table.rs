//! poll with every combination of pending fences and requested events, after every signal.

use crate::prelude::*;

case! {
    /// With no fence, one fence or two fences of each kind, which signal in each order, and after each signal: poll for
    /// POLLIN, for POLLOUT and for both reports POLLIN exactly if no write fence is pending, and POLLOUT exactly if no
    /// fence is pending, on every descriptor. It makes no difference whether somebody polled before the signal.
    "WAIT-1", Contract, Exporter::MAIN, [SwSync], [ALIASES, DUPLICATES],
    relies on [Polling]
}

const SETS: [&[Way]; 6] =
    [&[], &[Way::Write], &[Way::Read], &[Way::Write, Way::Read], &[Way::Write, Way::Write], &[Way::Read, Way::Read]];

fn run(s: &mut Steps, on: On) -> CaseResult {
    let primary = s.export(on.exporter, 1)?.primary;
    let family = s.family_of(on.fds(), primary)?.into_vec();
    let timelines = [Timeline::new()?, Timeline::new()?];
    for set in SETS {
        let mut found = Ok(());
        for order in permutations(set.len()) {
            for polled_before in [true, false] {
                found = found.and(follows(&family, &timelines, set, &order, polled_before)?);
            }
        }
        if !s.holds(format!("{}: poll follows every signal", set_text(set)), found) {
            // The callbacks of poll may have wrong reference counts now.
            return Ok(());
        }
    }
    Ok(())
}

fn set_text(set: &[Way]) -> String {
    match set {
        [] => "no fence".into(),
        ways => ways.iter().map(|way| format!("{} fence", way_text(*way))).collect::<Vec<_>>().join(" and "),
    }
}

/// Imports a fence for each of `set` and signals them in this order.
fn follows(
    family: &[Fd],
    timelines: &[Timeline],
    set: &[Way],
    order: &[usize],
    polled_before: bool,
) -> CaseResult<Result<(), String>> {
    for (index, way) in set.iter().enumerate() {
        // Whether a read-only alias takes a write fence is for a record to say.
        let into = if *way == Way::Write { &family[index] } else { &family[3 - index] };
        let fence = timelines[index].next()?;
        import_sync_file(into.as_fd(), *way, fence.as_fd()).or_broken("importing a fence")?;
    }
    let mut found = if polled_before || set.is_empty() { each_is(family, set) } else { Ok(()) };
    for step in 0..order.len() {
        timelines[order[step]].advance()?;
        let pending: Vec<Way> = order[step + 1..].iter().map(|index| set[*index]).collect();
        let signalled = order[..=step].iter().map(|index| way_text(set[*index])).collect::<Vec<_>>().join(", ");
        found = found.and(each_is(family, &pending).map_err(|wrong| format!("signalled {signalled}: {wrong}")));
    }
    Ok(found)
}

/// Whether poll reports what it has to on each descriptor while fences of these kinds are pending.
fn each_is(family: &[Fd], pending: &[Way]) -> Result<(), String> {
    let mut ready = PollFlags::empty();
    ready.set(PollFlags::POLLIN, !pending.contains(&Way::Write));
    ready.set(PollFlags::POLLOUT, pending.is_empty());
    for fd in family {
        for events in [PollFlags::POLLIN, PollFlags::POLLOUT, PollFlags::POLLIN | PollFlags::POLLOUT] {
            let got = poll_for(fd.as_fd(), events).map_err(gave)?;
            let text = || format!("poll({}, {}): {}", fd.name, poll_text(events), poll_text(got));
            ensure(got == events & ready, text)?;
        }
    }
    Ok(())
}
