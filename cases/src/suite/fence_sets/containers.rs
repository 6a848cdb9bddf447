//! Merged sync_files, which hold several fences.

use crate::prelude::*;

case! {
    /// An import of a merged sync_file adds each of its fences; so do the import of a merge of merges and that of an
    /// export of another buffer. Exports show each of these fences by itself, and after every signal those that are
    /// left. Nothing shows the container. A new buffer takes a merge of more fences than it has room for, as one does that
    /// has had fences. A merge some of whose fences have signalled is taken beside any number of others.
    "SET-2", Contract, Exporter::HEAP, [SwSync], [ALIASES, DUPLICATES],
    relies on [Polling]
}

const NAMES: [&str; 4] = ["one", "two", "three", "four"];

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let primary = s.export(on.exporter, 1)?.primary;
    let descriptors = s.descriptors_of(on.fds(), primary)?.into_vec();
    let other = Exporting::prepare(on.exporter, 1).and_then(|exporting| exporting.export());
    let other = Fd::new("other buffer", other.or_broken("export of a buffer")?);
    let timelines = NAMES.into_iter().map(Timeline::named).collect::<CaseResult<Vec<_>>>()?;
    let fences = timelines.iter().map(Timeline::next).collect::<CaseResult<Vec<_>>>()?;
    let merge = |one: &OwnedFd, two: &OwnedFd| sync_file::merge(one.as_fd(), two.as_fd()).or_broken("merging");
    let (pair, rest) = (merge(&fences[0], &fences[1])?, merge(&fences[2], &fences[3])?);

    let imported = s.import_fence(&descriptors[1], SyncAccess::Write, "merge of one and two", &pair);
    s.succeeds(format!("{} imports the merge", descriptors[1].name), imported)?;
    s.must_hold(
        "every descriptor shows one and two for READ",
        each_shows(&descriptors, SyncAccess::Read, &NAMES[..2]),
    )?;

    let all = merge(&pair, &rest)?;
    let imported = s.import_fence(&descriptors[2], SyncAccess::Read, "merge of two merges", &all);
    s.succeeds(format!("{} imports the merge of merges", descriptors[2].name), imported)?;
    s.must_hold(
        "every descriptor still shows one and two for READ",
        each_shows(&descriptors, SyncAccess::Read, &NAMES[..2]),
    )?;
    s.must_hold("every descriptor shows all four for WRITE", each_shows(&descriptors, SyncAccess::Write, &NAMES))?;

    // Through another buffer and back, for writing now.
    let exported =
        dma_buf::export_sync_file(descriptors[3].as_fd(), SyncAccess::Write).or_broken("exporting the fences")?;
    let imported = s.import_fence(&other, SyncAccess::Read, "fences of the buffer", &exported);
    s.succeeds("the other buffer imports them", imported)?;
    s.must_hold("the other buffer shows all four for WRITE", shows(&other, SyncAccess::Write, &NAMES))?;
    let exported = dma_buf::export_sync_file(other.as_fd(), SyncAccess::Write).or_broken("exporting the fences")?;
    let imported = s.import_fence(&descriptors[0], SyncAccess::Write, "fences of the other buffer", &exported);
    s.succeeds("primary imports them", imported)?;
    s.must_hold("every descriptor shows all four for READ", each_shows(&descriptors, SyncAccess::Read, &NAMES))?;

    for (step, timeline) in timelines.iter().enumerate() {
        timeline.advance()?;
        let left = &NAMES[step + 1..];
        let found = [SyncAccess::Read, SyncAccess::Write]
            .into_iter()
            .try_for_each(|access| each_shows(&descriptors, access, left));
        let text = if left.is_empty() { "nothing".into() } else { left.join(" and ") };
        s.must_hold(format!("{} signalled: every descriptor shows {text}", NAMES[step]), found)?;
    }
    let ready = descriptors.iter().try_for_each(|fd| {
        let got = poll_now(fd).map_err(gave)?;
        ensure(got == PollFlags::POLLIN | PollFlags::POLLOUT, || format!("{}: {}", fd.name, poll_text(got)))
    });
    s.holds("all signalled: poll on each: POLLIN|POLLOUT", ready);
    wide(s, &descriptors)?;
    // Room for the first fences of a buffer is made in another way than for more.
    let primary = s.export(on.exporter, 1)?.primary;
    let descriptors = s.descriptors_of(on.fds(), primary)?.into_vec();
    wide(s, &descriptors)?;
    s.holds("a merge of a pending and signalled fences is taken beside any number of others", beside(on.exporter)?);
    Ok(())
}

/// The most fences that a buffer has before: more than there is room for at first.
const BEFORE: usize = 9;

/// Whether buffers that have no fence, one, two, ... take a merge whose fences have signalled since, but for one.
fn beside(exporter: Exporter) -> CaseResult<Result<(), String>> {
    let exporting = Exporting::prepare(exporter, 1).or_broken("preparing an export")?;
    let timelines = (0..BEFORE + 3).map(|_| Timeline::new()).collect::<CaseResult<Vec<_>>>()?;
    let (merged, others) = timelines.split_at(3);
    for before in 0..=BEFORE {
        let buffer = Fd::new("buffer", exporting.export().or_broken("export of a buffer")?);
        for timeline in &others[..before] {
            import_sync_file(buffer.as_fd(), SyncAccess::Read, timeline.next()?.as_fd()).or_broken("importing")?;
        }
        let all = merge_of(merged)?;
        merged[1..].iter().try_for_each(Timeline::advance)?;
        let imported = import_sync_file(buffer.as_fd(), SyncAccess::Read, all.as_fd());
        let found = imported.and_then(|()| pending(&buffer, SyncAccess::Write)).map_err(gave);
        let found = found.and_then(|count| ensure(count == before + 1, || format!("{count} are pending")));
        if let Err(wrong) = found {
            return Ok(Err(format!("beside {before}: {wrong}")));
        }
        merged[..1].iter().chain(&others[..before]).try_for_each(Timeline::advance)?;
    }
    Ok(Ok(()))
}

/// A sync_file of the next fence of each timeline.
fn merge_of(timelines: &[Timeline]) -> CaseResult<OwnedFd> {
    let mut all = timelines[0].next()?;
    for timeline in &timelines[1..] {
        all = sync_file::merge(all.as_fd(), timeline.next()?.as_fd()).or_broken("merging")?;
    }
    Ok(all)
}

/// More fences at once than a buffer has room for at first.
fn wide(s: &mut Steps, descriptors: &[Fd]) -> CaseResult {
    let timelines = (0..9).map(|_| Timeline::named("wide")).collect::<CaseResult<Vec<_>>>()?;
    let all = merge_of(&timelines)?;
    let imported = s.import_fence(&descriptors[3], SyncAccess::Read, "merge of nine", &all);
    s.succeeds(format!("{} imports a merge of nine", descriptors[3].name), imported)?;
    let found = descriptors.iter().try_for_each(|fd| {
        let got = pending(fd, SyncAccess::Write).map_err(gave)?;
        ensure(got == timelines.len(), || format!("{} shows {got}", fd.name))
    });
    s.holds("every descriptor shows nine pending for WRITE", found);
    Ok(())
}

fn each_shows(descriptors: &[Fd], access: SyncAccess, names: &[&str]) -> Result<(), String> {
    descriptors.iter().try_for_each(|fd| shows(fd, access, names))
}

/// Whether the pending fences behind `fd` are those of these timelines.
fn shows(fd: &Fd, access: SyncAccess, names: &[&str]) -> Result<(), String> {
    let mut got = fence::pending_timelines(fd, access).map_err(gave)?;
    // A fence that was imported for reading and for writing may be there twice.
    got.dedup();
    let mut want: Vec<&str> = names.to_vec();
    want.sort_unstable();
    ensure(got == want, || format!("{} shows {got:?}, expected {want:?}", fd.name))
}
