//! SYNC_IOC_MERGE.

use std::fs::File;

use crate::prelude::*;
use crate::uapi::sync_file::MergeArgs;

case! {
    /// A merge contains each pending fence of both sync_files, and of several fences of one timeline the last alone, in whichever
    /// order they come. Which of them have signalled before makes no difference to the others. It keeps 31 letters of the name that it is given, and both sync_files stay as they were. Flags or pad that are
    /// not 0 give EINVAL, a second descriptor that is not a sync_file ENOENT, and a full descriptor table EMFILE.
    "SF-2", Contract, Exporter::HEAP, [SwSync]
}

fn run(s: &mut Steps, _: CaseParams) -> CaseResult {
    let (a, b, c) = (Timeline::named("a")?, Timeline::named("b")?, Timeline::named("c")?);
    let (a1, a2, b1, c1) = (a.next()?, a.next()?, b.next()?, c.next()?);
    let merge = |one: &OwnedFd, two: &OwnedFd| sync_file::merge(one.as_fd(), two.as_fd());
    let merged = |one: &OwnedFd, two: &OwnedFd| merge(one, two).or_broken("merging");
    let (ab, bc) = (merged(&a1, &b1)?, merged(&b1, &c1)?);
    for (text, one, two, want) in [
        ("a@1 and b@1", &a1, &b1, "a b"),
        ("b@1 and a@1", &b1, &a1, "a b"),
        ("a@1 and a@2", &a1, &a2, "a"),
        ("a@2 and a@1", &a2, &a1, "a"),
        ("a@1 and a@1", &a1, &a1, "a"),
        ("merge of a@1, b@1 and merge of b@1, c@1", &ab, &bc, "a b c"),
        ("merge of a@1, b@1 and a@2", &ab, &a2, "a b"),
        ("a@2 and merge of a@1, b@1", &a2, &ab, "a b"),
    ] {
        let file = s.call(format!("merge({text})"), |_| "merge".into(), || merge(one, two));
        let file = s.succeeds(format!("merge({text}) succeeds"), file)?;
        let names = sync_file::info(file.as_fd()).map(|info| fence::pending_names(&info)).or_broken("file_info")?;
        s.equal(format!("it contains one fence of each of {want}"), names.join(" "), want.to_string());
    }
    let kept = sync_file::info(ab.as_fd()).map(|info| fence::pending_names(&info).join(" "));
    s.equal("the merged sync_files stay as they were", kept, Ok("a b".to_string()));
    does_not_grow(s)?;
    some_signalled(s)?;
    latest_counts(s, &a, [&a1, &a2], &ab)?;
    arguments(s, &ab, &c1)
}

/// A merge that takes the next fence of each of its timelines in turn, as a compositor does for every frame.
fn does_not_grow(s: &mut Steps) -> CaseResult {
    let names = ["u", "v", "w"];
    let timelines = names.into_iter().map(Timeline::named).collect::<CaseResult<Vec<_>>>()?;
    let merge = |one: &OwnedFd, two: &OwnedFd| sync_file::merge(one.as_fd(), two.as_fd()).or_broken("merging");
    let mut file = timelines[0].next()?;
    let mut found = Ok(());
    for turn in 1..12 {
        let next = timelines[turn % names.len()].next()?;
        file = if turn % 2 == 0 { merge(&file, &next)? } else { merge(&next, &file)? };
        let info = sync_file::info(file.as_fd()).or_broken("file_info")?;
        let want = &names[..names.len().min(turn + 1)];
        let right = fence::pending_names(&info) == want;
        found = found.and(ensure(right, || format!("merge {turn}: {} of {want:?}", describe(&info))));
    }
    s.holds("a merge of merges with later fences keeps one fence of each timeline", found);
    let mut reached = Ok(());
    for (index, timeline) in timelines.iter().enumerate() {
        sw_sync::advance(timeline.as_fd(), 4).or_broken("advancing a timeline")?;
        let status = sync_file::info(file.as_fd()).map(|info| info.status);
        let want = Ok(i32::from(index + 1 == timelines.len()));
        reached =
            reached.and(ensure(status == want, || format!("{} timelines at the last fence: {status:?}", index + 1)));
    }
    s.holds("it signals with the last fences of all", reached);
    Ok(())
}

/// Merges of merges in which some of the fences have signalled, with every choice of these fences.
fn some_signalled(s: &mut Steps) -> CaseResult {
    let names = ["p", "q", "r", "t"];
    let mut found = Ok(());
    for signalled in 0..1_u32 << names.len() {
        let timelines = names.into_iter().map(Timeline::named).collect::<CaseResult<Vec<_>>>()?;
        let fences = timelines.iter().map(Timeline::next).collect::<CaseResult<Vec<_>>>()?;
        let merge = |one: &OwnedFd, two: &OwnedFd| sync_file::merge(one.as_fd(), two.as_fd()).or_broken("merging");
        let (left, right) = (merge(&fences[0], &fences[1])?, merge(&fences[2], &fences[3])?);
        let gone = |index: usize| signalled & (1 << index) != 0;
        for (_, timeline) in timelines.iter().enumerate().filter(|(index, _)| gone(*index)) {
            timeline.advance()?;
        }
        let info = sync_file::info(merge(&left, &right)?.as_fd()).or_broken("file_info")?;
        let want: Vec<&str> = (0..names.len()).filter(|index| !gone(*index)).map(|index| names[index]).collect();
        let right = fence::pending_names(&info) == want && info.status == i32::from(want.is_empty());
        found = found.and(ensure(right, || format!("{} for pending {want:?}", describe(&info))));
    }
    s.holds("merges of merges contain what is pending, whichever fences have signalled", found);
    Ok(())
}

/// The merge of two fences of one timeline signals with the later one, in whichever order they are merged.
fn latest_counts(s: &mut Steps, timeline: &Timeline, [first, second]: [&OwnedFd; 2], pair: &OwnedFd) -> CaseResult {
    let merges = [(first, second), (second, first), (pair, second), (second, pair)];
    let merges = merges.map(|(one, two)| sync_file::merge(one.as_fd(), two.as_fd()).or_broken("merging"));
    let merges = merges.into_iter().collect::<CaseResult<Vec<_>>>()?;
    timeline.advance()?;
    let pending = merges.iter().try_for_each(|file| {
        let info = sync_file::info(file.as_fd()).map_err(gave)?;
        ensure(info.status == 0 && fence::pending_names(&info).contains(&"a".to_string()), || describe(&info))
    });
    s.holds("a@1 signalled: merges with a@2 are pending", pending);
    let signalled = sync_file::merge(first.as_fd(), first.as_fd()).and_then(|file| sync_file::info(file.as_fd()));
    s.equal("a merge of signalled fences is signalled", signalled.map(|info| info.status), Ok(1));
    timeline.advance()?;
    let status = merges[..2].iter().map(|file| sync_file::info(file.as_fd()).map(|info| info.status));
    s.equal("a@2 signalled: merges of both are signalled", status.collect(), Ok(vec![1, 1]));
    Ok(())
}

fn arguments(s: &mut Steps, file: &OwnedFd, other: &OwnedFd) -> CaseResult {
    let any = Fd::new("merge", dup(file.as_fd()).or_broken("dup")?);
    let next = next_number(&any)?;
    let args = MergeArgs { name: b"x", fd2: other.as_raw_fd(), flags: 0, pad: 0 };
    for (what, args) in [
        ("flags 1", MergeArgs { flags: 1, ..args }),
        ("flags 0x80000000", MergeArgs { flags: 1 << 31, ..args }),
        ("pad 1", MergeArgs { pad: 1, ..args }),
    ] {
        let result = s.call(format!("merge({what})"), |_| "ok".into(), || sync_file::merge_with(file.as_fd(), args));
        s.fails_with(format!("{what}: EINVAL"), &result, Errno::EINVAL);
    }
    let null = File::open("/dev/null").or_broken("/dev/null")?;
    for (what, fd2) in [("-1", -1), ("a closed number", 1000), ("/dev/null", null.as_raw_fd())] {
        let args = MergeArgs { fd2, ..args };
        let result =
            s.call(format!("merge(with {what})"), |_| "ok".into(), || sync_file::merge_with(file.as_fd(), args));
        s.fails_with(format!("{what}: ENOENT"), &result, Errno::ENOENT);
    }
    drop(null);
    let full = with_fd_limit(next_number(&any)? as u64, || sync_file::merge_with(file.as_fd(), args).map(drop))?;
    s.fails_with("a full descriptor table gives EMFILE", &full, Errno::EMFILE);
    s.equal("no failing call leaves a descriptor", next_number(&any)?, next);

    let name = [b'n'; 32];
    let long = sync_file::merge_with(file.as_fd(), MergeArgs { name: &name, ..args });
    let long = s.succeeds("a name without an end is accepted", long)?;
    let shown = sync_file::info(long.as_fd()).map(|info| info.name);
    s.equal("31 letters of it are kept", shown, Ok("n".repeat(31)));
    Ok(())
}
