//! Deadlines of fences.

use crate::prelude::*;
use crate::uapi::sync_file::set_deadline;

case! {
    /// SET_DEADLINE through a sync_file or a merge reaches each of its fences, and GET_DEADLINE of the timeline shows
    /// the earliest deadline. A pad that is not 0 gives EINVAL. GET_DEADLINE gives ENOENT for a fence without a
    /// deadline, EINVAL for a merge, for what is not a sync_file and for fields that are not 0. Bad pointers
    /// give EFAULT. No call keeps a fence.
    "SF-3", Contract, Exporter::HEAP, [SwSync]
}

const DEADLINE: u64 = 1 << 40;

fn run(s: &mut Steps, _: CaseParams) -> CaseResult {
    let (a, b) = (Timeline::named("deadline a")?, Timeline::named("deadline b")?);
    let (one, two, bare) = (a.next()?, b.next()?, b.next()?);
    if sw_sync::deadline(a.as_fd(), one.as_fd(), 0, 0) == Err(Errno::ENOTTY) {
        return Err(Abort::Lacks(Need::Deadlines, "GET_DEADLINE returns ENOTTY".into()));
    }
    let merged = sync_file::merge(one.as_fd(), two.as_fd()).or_broken("merging")?;
    let get = |timeline: &Timeline, fence: &OwnedFd| sw_sync::deadline(timeline.as_fd(), fence.as_fd(), 0, 0);

    for (file, name) in [(&one, "a fence"), (&merged, "a merge")] {
        for pad in [1, 1 << 63] {
            let result = set_deadline(file.as_fd(), DEADLINE, pad);
            s.fails_with(format!("SET_DEADLINE of {name} with pad {pad:#x}: EINVAL"), &result, Errno::EINVAL);
        }
    }
    s.equal("a fence without a deadline: ENOENT", get(&a, &one), Err(Errno::ENOENT));
    s.succeeds("SET_DEADLINE of the merge succeeds", set_deadline(merged.as_fd(), DEADLINE, 0))?;
    s.equal("the first fence shows it", get(&a, &one), Ok(DEADLINE));
    s.equal("the second fence shows it", get(&b, &two), Ok(DEADLINE));
    s.succeeds("SET_DEADLINE of the first fence succeeds", set_deadline(one.as_fd(), DEADLINE - 1, 0))?;
    s.equal("an earlier one counts", get(&a, &one), Ok(DEADLINE - 1));
    s.succeeds("SET_DEADLINE of the first fence succeeds", set_deadline(one.as_fd(), DEADLINE + 1, 0))?;
    s.equal("a later one does not count", get(&a, &one), Ok(DEADLINE - 1));
    s.equal("the second fence keeps its own", get(&b, &two), Ok(DEADLINE));
    s.equal("a fence that nobody gave one: ENOENT", get(&b, &bare), Err(Errno::ENOENT));

    for (what, result) in [
        ("a merge", get(&a, &merged)),
        ("a timeline instead of a fence", sw_sync::deadline(a.as_fd(), b.as_fd(), 0, 0)),
        ("deadline_ns 1", sw_sync::deadline(a.as_fd(), one.as_fd(), 1, 0)),
        ("pad 1", sw_sync::deadline(a.as_fd(), one.as_fd(), 0, 1)),
    ] {
        s.fails_with(format!("GET_DEADLINE of {what}: EINVAL"), &result, Errno::EINVAL);
    }
    let bad = BadPointers::new()?;
    let get = [&[0; 12], one.as_raw_fd().to_le_bytes().as_slice()].concat();
    for (name, fd, number, argument, written) in [
        ("SET_DEADLINE", one.as_fd(), sync_file::SET_DEADLINE, vec![0; 16], false),
        ("GET_DEADLINE", a.as_fd(), sw_sync::GET_DEADLINE, get, true),
    ] {
        let found = bad.refused(&PointerRequest { fd, number, argument, written })?;
        s.holds(format!("{name}: bad pointers give EFAULT and leave no descriptor"), found);
    }
    drop((merged, one, two, bare, a, b));
    let left = listed_timelines().or_broken(SYNC_INFO)?;
    let left = left.iter().filter(|timeline| timeline.name.starts_with("deadline")).count();
    s.check("all closed: no fence is left", left == 0, format_args!("{left} timelines are still in sync/info"));
    Ok(())
}
