//! The status of a merged sync_file.

use crate::prelude::*;
use crate::uapi::sync_file::InfoArgs;

case! {
    /// A merge of two fences is pending until both have signalled, in each order, and signalled from then on: for
    /// FILE_INFO with and without room for the fences and for poll, whichever of them is asked first, and whether somebody asked or
    /// slept in poll before. Threads that sleep in poll wake up. If one of the fences has an error, the merge has an error, also as
    /// a whole if somebody polled it before.
    "SF-2", Contract, Exporter::HEAP, [SwSync]
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Asked {
    Never,
    ByInfo,
    ByPoll,
}

fn run(s: &mut Steps, _: CaseParams) -> CaseResult {
    let timelines = [Timeline::new()?, Timeline::new()?];
    for order in [[0, 1], [1, 0]] {
        for asked in [Asked::Never, Asked::ByInfo, Asked::ByPoll] {
            for first in ["file_info without room", "file_info", "poll"] {
                let file = sync_file::merge(timelines[0].next()?.as_fd(), timelines[1].next()?.as_fd());
                let file = file.or_broken("merging")?;
                let mut found = Ok(());
                for (step, index) in order.into_iter().enumerate() {
                    let before = match asked {
                        Asked::Never => Ok(()),
                        Asked::ByInfo => ask("file_info without room", &file, false),
                        Asked::ByPoll => ask("poll", &file, false),
                    };
                    found = found.and(before.map_err(|wrong| format!("{step} signalled: {wrong}")));
                    timelines[index].advance()?;
                }
                let questions = [first, "file_info without room", "file_info", "poll"];
                found = found.and(questions.into_iter().try_for_each(|question| ask(question, &file, true)));
                let before = match asked {
                    Asked::Never => "nobody asked before",
                    Asked::ByInfo => "file_info asked before",
                    Asked::ByPoll => "poll asked before",
                };
                let sentence = format!("fence {} first, {before}: {first} shows both signals", order[0] + 1);
                s.holds(sentence, found);
            }
        }
    }
    sleepers(s, &timelines)?;
    errors(s)
}

/// Threads that sleep in poll of a sync_file.
fn sleepers(s: &mut Steps, timelines: &[Timeline; 2]) -> CaseResult {
    let (one, two) = (timelines[0].next()?, timelines[1].next()?);
    let merged = Fd::new("merge", sync_file::merge(one.as_fd(), two.as_fd()).or_broken("merging")?);
    let (one, two) = (Fd::new("first fence", one), Fd::new("second fence", two));
    let start = |fd: &Fd| Sleeper::start(fd, PollFlags::POLLIN);
    let (first, second, both) = (start(&one)?, start(&two)?, start(&merged)?);
    for (sleeper, timeline, asleep) in [(&first, &timelines[0], vec![&second, &both]), (&second, &timelines[1], vec![])]
    {
        timeline.advance()?;
        let woken = sleeper.woken();
        let right = woken == Some(Ok(PollFlags::POLLIN));
        s.check(
            format!("the signal wakes the thread that polls the {}", sleeper.name),
            right,
            format_args!("{woken:?}"),
        );
        let awake = asleep.iter().find(|sleeper| !sleeper.asleep()).map_or("", |sleeper| &sleeper.name);
        s.check("the others sleep on", awake.is_empty(), format_args!("the one that polls the {awake} does not"));
    }
    let woken = both.woken();
    s.check(
        "the last signal wakes the thread that polls the merge",
        woken == Some(Ok(PollFlags::POLLIN)),
        format_args!("{woken:?}"),
    );
    Ok(())
}

/// Whether the file shows as signalled or not.
fn ask(question: &str, file: &OwnedFd, signalled: bool) -> Result<(), String> {
    let room = if question == "file_info" { sync_file::ROOM } else { 0 };
    let got = match question {
        "poll" => !poll_for(file.as_fd(), PollFlags::POLLIN).map_err(gave)?.is_empty(),
        _ => {
            let args = InfoArgs { num_fences: room, ..InfoArgs::default() };
            sync_file::info_with(file.as_fd(), args).map_err(gave)?.0.status == 1
        }
    };
    ensure(got == signalled, || format!("{question}: {}", if got { "signalled" } else { "pending" }))
}

/// A timeline that is closed signals its fences with ENOENT.
fn errors(s: &mut Steps) -> CaseResult {
    errors_as_a_whole(s)?;
    for polled in [false, true] {
        let (closed, other) = (Timeline::new()?, Timeline::new()?);
        let file = sync_file::merge(closed.next()?.as_fd(), other.next()?.as_fd()).or_broken("merging")?;
        if polled {
            poll_for(file.as_fd(), PollFlags::POLLIN).or_broken("poll")?;
        }
        drop(closed);
        other.advance()?;
        let status = sync_file::info(file.as_fd()).map(|info| info.status);
        let asked = if polled { "polled before" } else { "not polled before" };
        s.equal(format!("one fence has an error, {asked}: so has the merge"), status, Ok(-(Errno::ENOENT as i32)));
        let statuses = sync_file::info(file.as_fd()).map(|info| {
            let mut statuses: Vec<i32> = info.fences.iter().map(|fence| fence.status).collect();
            statuses.sort_unstable();
            statuses
        });
        s.equal(format!("{asked}: the fences have their own status"), statuses, Ok(vec![-(Errno::ENOENT as i32), 1]));
    }
    Ok(())
}

/// The status of the merge itself, which FILE_INFO gives without room for the fences. The merge collects errors only while
/// somebody waits for it.
fn errors_as_a_whole(s: &mut Steps) -> CaseResult {
    let (good, bad) = (Ok(1), Ok(-(Errno::ENOENT as i32)));
    for (failing, want) in [(vec![], good), (vec![0], bad), (vec![1], bad), (vec![2], bad), (vec![0, 2], bad)] {
        let mut found = Ok(());
        for order in [[0, 1, 2], [2, 1, 0]] {
            let mut timelines = [Some(Timeline::new()?), Some(Timeline::new()?), Some(Timeline::new()?)];
            let fences = timelines.iter().flatten().map(Timeline::next).collect::<CaseResult<Vec<_>>>()?;
            let merge = |one: &OwnedFd, two: &OwnedFd| sync_file::merge(one.as_fd(), two.as_fd()).or_broken("merging");
            let file = merge(&merge(&fences[0], &fences[1])?, &fences[2])?;
            poll_for(file.as_fd(), PollFlags::POLLIN).or_broken("poll")?;
            for index in order {
                match timelines[index].take() {
                    Some(timeline) if !failing.contains(&index) => timeline.advance()?,
                    closed => drop(closed),
                }
            }
            let status = sync_file::info_with(file.as_fd(), InfoArgs::default()).map(|(info, _)| info.status);
            found = found.and(ensure(status == want, || format!("signalled in the order {order:?}: {status:?}")));
        }
        let which = if failing.is_empty() { "no fence".into() } else { format!("fences {failing:?}") };
        s.holds(format!("{which} of three with an error: the polled merge as a whole has the same"), found);
    }
    Ok(())
}
