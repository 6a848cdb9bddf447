//! What an exported sync_file contains.

use crate::prelude::*;

case! {
    /// With two write fences and two read fences of four timelines pending, an export for READ contains the write
    /// fences and one for WRITE or READ|WRITE all of them, through every descriptor. An export keeps its contents when
    /// more fences are imported, and signals when the last of its own fences does. An export without fences is
    /// signalled. The time stamp of a fence lies between the calls around its signal.
    "SET-4", Contract, Exporter::HEAP, [SwSync], [ALIASES, DUPLICATES]
}

const NAMES: [&str; 4] = ["first write", "first read", "second write", "second read"];

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let primary = s.export(on.exporter, 1)?.primary;
    let descriptors = s.descriptors_of(on.fds(), primary)?.into_vec();
    s.holds("no fence: exports are signalled", descriptors.iter().try_for_each(signalled_without_fences));

    let timelines = NAMES.into_iter().map(Timeline::named).collect::<CaseResult<Vec<_>>>()?;
    let mut early = Vec::new();
    for (index, timeline) in timelines.iter().enumerate() {
        let (access, into) = if index % 2 == 0 {
            (SyncAccess::Write, &descriptors[index / 2])
        } else {
            (SyncAccess::Read, &descriptors[3 - index])
        };
        let fence = timeline.next()?;
        import_sync_file(into.as_fd(), access, fence.as_fd()).or_broken("importing a fence")?;
        early.push(export_sync_file(descriptors[index].as_fd(), SyncAccess::Write).or_broken("exporting the fences")?);
    }
    let (mut writes, mut all) = (vec![NAMES[0], NAMES[2]], NAMES.to_vec());
    writes.sort_unstable();
    all.sort_unstable();
    for (access, want) in [(SyncAccess::Read, &writes), (SyncAccess::Write, &all), (SyncAccess::ReadWrite, &all)] {
        let found = descriptors.iter().try_for_each(|fd| {
            let got = fence::pending_timelines(fd, access).map_err(gave)?;
            ensure(got == *want, || format!("{} shows {got:?}", fd.name))
        });
        s.must_hold(format!("export for {} contains {}", access_text(access), want.join(", ")), found)?;
    }
    for (index, file) in early.iter().enumerate() {
        let mut want = NAMES[..=index].to_vec();
        want.sort_unstable();
        let got = sync_file::info(file.as_fd()).map(|info| fence::pending_names(&info));
        s.equal(format!("the export after {} contains what was there", NAMES[index]), got, Ok(owned(&want)));
    }

    for (step, timeline) in timelines.iter().enumerate() {
        let before = monotonic()?;
        timeline.advance()?;
        let after = monotonic()?;
        let found = early.iter().enumerate().try_for_each(|(index, file)| {
            let left = (index + 1).saturating_sub(step + 1);
            has_left(file, left).map_err(|wrong| format!("the export after {}: {wrong}", NAMES[index]))
        });
        s.holds(format!("{} signalled: each export shows what is left", NAMES[step]), found);
        let last = early.last().and_then(|file| sync_file::info(file.as_fd()).ok());
        let newest = last.iter().flat_map(|info| &info.fences).map(|fence| fence.timestamp_ns).max().unwrap_or(0);
        let text = || format!("{newest} is not between {before} and {after}");
        s.holds(
            format!("{} signalled: its time stamp is right", NAMES[step]),
            ensure((before..=after).contains(&newest), text),
        );
    }
    s.holds("all signalled: exports are signalled", descriptors.iter().try_for_each(signalled_without_fences));
    Ok(())
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}

fn monotonic() -> CaseResult<u64> {
    let now = nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC).or_broken("clock_gettime")?;
    Ok(Duration::from(now).as_nanos() as u64)
}

/// Whether exports of all kinds show nothing pending, by status, by each fence, and by poll.
fn signalled_without_fences(fd: &Fd) -> Result<(), String> {
    SyncAccess::ALL.into_iter().try_for_each(|access| {
        let file = export_sync_file(fd.as_fd(), access).map_err(gave)?;
        has_left(&file, 0).map_err(|wrong| format!("export_sync_file({}, {}): {wrong}", fd.name, access_text(access)))
    })
}

/// Whether so many fences of a sync_file are pending, by status, by each fence, and by poll.
fn has_left(file: &OwnedFd, left: usize) -> Result<(), String> {
    let info = sync_file::info(file.as_fd()).map_err(gave)?;
    let pending = fence::pending_names(&info).len();
    ensure(pending == left && info.status == i32::from(left == 0), || describe(&info))?;
    let ready = poll_for(file.as_fd(), PollFlags::POLLIN).map_err(gave)?;
    let want = if left == 0 { PollFlags::POLLIN } else { PollFlags::empty() };
    ensure(ready == want, || format!("poll: {}", poll_text(ready)))
}
