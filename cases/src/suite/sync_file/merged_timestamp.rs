//! The time stamp of a merge of signalled fences.

use crate::prelude::*;

case! {
    /// A merge of fences that have all signalled has the time stamp of the last of them, in whichever order they are
    /// merged.
    "SF-2", Contract, Exporter::HEAP, [SwSync]
}

fn run(s: &mut Steps, _: On) -> CaseResult {
    let timelines = [Timeline::new()?, Timeline::new()?];
    let fences = timelines.iter().map(Timeline::next).collect::<CaseResult<Vec<_>>>()?;
    let stamp = |file: &OwnedFd| {
        let info = sync_file::info(file.as_fd())?;
        Ok::<u64, Errno>(info.fences.iter().map(|fence| fence.timestamp_ns).max().unwrap_or(0))
    };
    timelines[0].advance()?;
    let first = stamp(&fences[0]).or_broken("file_info")?;
    // The clock may be coarse.
    while Duration::from(nix::time::ClockId::CLOCK_MONOTONIC.now().or_broken("clock_gettime")?).as_nanos() as u64
        <= first
    {
        std::thread::yield_now();
    }
    timelines[1].advance()?;
    let second = stamp(&fences[1]).or_broken("file_info")?;
    s.check("the second fence signals after the first", second > first, format_args!("{second}, {first}"));
    for (one, two) in [(0, 1), (1, 0), (1, 1)] {
        let merged = sync_file::merge(fences[one].as_fd(), fences[two].as_fd()).and_then(|file| stamp(&file));
        let sentence = format!("merge of fences {} and {}: the time stamp is that of fence 2", one + 1, two + 1);
        let text = format_args!("{merged:?}, fence 1 has {first}, fence 2 has {second}");
        s.check(sentence, merged == Ok(second), text);
    }
    Ok(())
}
