//! Arguments that sync_file and sw_sync cannot read or write.

use crate::prelude::*;

case! {
    /// CREATE_FENCE, INC, MERGE and FILE_INFO give EFAULT for an argument that cannot be read, or cannot be
    /// written where it has to be. No descriptor, fence or timeline is left, the timeline does not advance, and the next call
    /// succeeds. CREATE_FENCE with a full descriptor table gives EMFILE and leaves no fence.
    "SF-5", Contract, Exporter::HEAP, [SwSync]
}

fn run(s: &mut Steps, _: CaseParams) -> CaseResult {
    let bad = BadPointers::new()?;
    let (a, b) = (Timeline::named("bad a")?, Timeline::named("bad b")?);
    let (one, two) = (a.next()?, b.next()?);
    // A value, a name and a place for the descriptor.
    let create = [9_u32.to_le_bytes().as_slice(), &[0; 36]].concat();
    for (name, fd, number, argument, written) in [
        ("CREATE_FENCE", a.as_fd(), sw_sync::CREATE_FENCE, create, true),
        ("INC", a.as_fd(), sw_sync::INC, vec![1, 0, 0, 0], false),
        ("MERGE", one.as_fd(), sync_file::MERGE, sync_file::merge_bytes(two.as_fd()), true),
        ("FILE_INFO", one.as_fd(), sync_file::FILE_INFO, vec![0; 56], true),
    ] {
        let found = bad.refused(&PointerRequest { fd, number, argument, written })?;
        s.holds(format!("{name}: bad pointers give EFAULT and leave no descriptor"), found);
    }
    let any = Fd::new("any", dup(one.as_fd()).or_broken("dup")?);
    let full = with_fd_limit(next_number(&any)? as u64, || sw_sync::create_fence(a.as_fd(), 8, "x").map(drop))?;
    s.fails_with("CREATE_FENCE with a full descriptor table gives EMFILE", &full, Errno::EMFILE);

    let listed: Vec<_> = listed_timelines().or_broken(SYNC_INFO)?;
    let state = |name: &str| listed.iter().find(|timeline| timeline.name == name).map(|it| (it.value, it.pending));
    s.equal("the first timeline is at 0 and has its one fence", state("bad a"), Some((0, 1)));
    s.equal("the second timeline is at 0 and has its one fence", state("bad b"), Some((0, 1)));
    a.advance()?;
    s.equal("it advances afterwards", sync_file::info(one.as_fd()).map(|info| info.status), Ok(1));
    drop((one, two, any, a, b));
    let left = listed_timelines().or_broken(SYNC_INFO)?;
    let left = left.iter().filter(|timeline| timeline.name.starts_with("bad")).count();
    s.check("all closed: no timeline is left", left == 0, format_args!("{left} timelines are still in sync/info"));
    Ok(())
}
