//! Merged sync_files, which hold several fences.

use crate::prelude::*;

case! {
    /// An import of a merged sync_file adds each of its fences; so do the import of a merge of merges and that of an
    /// export of another buffer. Exports show each of these fences by itself, and after every signal those that are
    /// left. Nothing shows the container.
    "SET-2", Contract, Exporter::HEAP, [SwSync], [ALIASES, DUPLICATES],
    relies on [Polling]
}

const NAMES: [&str; 4] = ["one", "two", "three", "four"];

fn run(s: &mut Steps, on: On) -> CaseResult {
    let primary = s.export(on.exporter, 1)?.primary;
    let family = s.family_of(on.fds(), primary)?.into_vec();
    let other = Exporting::prepare(on.exporter, 1).and_then(|exporting| exporting.export());
    let other = Fd::new("other buffer", other.or_broken("export of a buffer")?);
    let timelines = NAMES.into_iter().map(Timeline::named).collect::<CaseResult<Vec<_>>>()?;
    let fences = timelines.iter().map(Timeline::next).collect::<CaseResult<Vec<_>>>()?;
    let merge = |one: &OwnedFd, two: &OwnedFd| sync_file::merge(one.as_fd(), two.as_fd()).or_broken("merging");
    let (pair, rest) = (merge(&fences[0], &fences[1])?, merge(&fences[2], &fences[3])?);

    let imported = s.import_fence(&family[1], Way::Write, "merge of one and two", &pair);
    s.succeeds(format!("{} imports the merge", family[1].name), imported)?;
    s.must_hold("every descriptor shows one and two for READ", each_shows(&family, Way::Read, &NAMES[..2]))?;

    let all = merge(&pair, &rest)?;
    let imported = s.import_fence(&family[2], Way::Read, "merge of two merges", &all);
    s.succeeds(format!("{} imports the merge of merges", family[2].name), imported)?;
    s.must_hold("every descriptor still shows one and two for READ", each_shows(&family, Way::Read, &NAMES[..2]))?;
    s.must_hold("every descriptor shows all four for WRITE", each_shows(&family, Way::Write, &NAMES))?;

    // Through another buffer and back, for writing now.
    let exported = dma_buf::export_sync_file(family[3].as_fd(), Way::Write).or_broken("exporting the fences")?;
    let imported = s.import_fence(&other, Way::Read, "fences of the buffer", &exported);
    s.succeeds("the other buffer imports them", imported)?;
    s.must_hold("the other buffer shows all four for WRITE", shows(&other, Way::Write, &NAMES))?;
    let exported = dma_buf::export_sync_file(other.as_fd(), Way::Write).or_broken("exporting the fences")?;
    let imported = s.import_fence(&family[0], Way::Write, "fences of the other buffer", &exported);
    s.succeeds("primary imports them", imported)?;
    s.must_hold("every descriptor shows all four for READ", each_shows(&family, Way::Read, &NAMES))?;

    for (step, timeline) in timelines.iter().enumerate() {
        timeline.advance()?;
        let left = &NAMES[step + 1..];
        let found = [Way::Read, Way::Write].into_iter().try_for_each(|way| each_shows(&family, way, left));
        let text = if left.is_empty() { "nothing".into() } else { left.join(" and ") };
        s.must_hold(format!("{} signalled: every descriptor shows {text}", NAMES[step]), found)?;
    }
    let ready = family.iter().try_for_each(|fd| {
        let got = poll_now(fd).map_err(gave)?;
        ensure(got == PollFlags::POLLIN | PollFlags::POLLOUT, || format!("{}: {}", fd.name, poll_text(got)))
    });
    s.holds("all signalled: poll on each: POLLIN|POLLOUT", ready);
    wide(s, &family)
}

/// More fences at once than a buffer has room for at first.
fn wide(s: &mut Steps, family: &[Fd]) -> CaseResult {
    let timelines = (0..9).map(|_| Timeline::named("wide")).collect::<CaseResult<Vec<_>>>()?;
    let mut all = timelines[0].next()?;
    for timeline in &timelines[1..] {
        all = sync_file::merge(all.as_fd(), timeline.next()?.as_fd()).or_broken("merging")?;
    }
    let imported = s.import_fence(&family[3], Way::Read, "merge of nine", &all);
    s.succeeds(format!("{} imports a merge of nine", family[3].name), imported)?;
    let found = family.iter().try_for_each(|fd| {
        let got = pending(fd, Way::Write).map_err(gave)?;
        ensure(got == timelines.len(), || format!("{} shows {got}", fd.name))
    });
    s.holds("every descriptor shows nine pending for WRITE", found);
    Ok(())
}

fn each_shows(family: &[Fd], way: Way, names: &[&str]) -> Result<(), String> {
    family.iter().try_for_each(|fd| shows(fd, way, names))
}

/// Whether the pending fences behind `fd` are those of these timelines.
fn shows(fd: &Fd, way: Way, names: &[&str]) -> Result<(), String> {
    let mut got = fence::pending_timelines(fd, way).map_err(gave)?;
    // A fence that was imported for reading and for writing may be there twice.
    got.dedup();
    let mut want: Vec<&str> = names.to_vec();
    want.sort_unstable();
    ensure(got == want, || format!("{} shows {got:?}, expected {want:?}", fd.name))
}
