//! Fences that drivers attach after importing an alias.

use crate::prelude::*;
use crate::uapi::importer::FENCE_DRIVER;

case! {
    /// A driver that imported an alias attaches a fence to the buffer. Every descriptor shows that fence, and poll on
    /// every descriptor waits until the driver signals it. The drivers are vgem and the test importer.
    "F-6", Contract, Exporter::MAIN, [TestImporter, Vgem], [ALIASES, DUPLICATES],
    relies on [Importing, Polling]
}

fn run(s: &mut Steps, on: On) -> CaseResult {
    let vgem = Vgem::open()?;
    let primary = s.export(on.exporter, 1)?.primary;
    let observer = BufferObserver::start(&primary)?;
    let family = s.family_of(on.fds(), primary)?.into_vec();

    for (via, write) in [(2, true), (3, false)] {
        let handle = match s.vgem_import(&vgem, &family[via]) {
            // A reader may be refused.
            refusal if refused(&family[via], &refusal) => s.vgem_import(&vgem, &family[1]),
            handle => handle,
        };
        let handle = s.succeeds("vgem imports it", handle)?;
        let fence = vgem.attach_fence(&handle, write);
        let fence = s.succeeds(format!("vgem attaches a {} fence", kind(write)), fence)?;
        s.holds("every descriptor shows the fence", shown(&family, write, |driver, _| driver == "vgem"));
        s.holds("poll on every descriptor waits for it", waits(&family, write));
        vgem.signal_fence(fence).or_broken("signalling a vgem fence")?;
        s.holds("poll on every descriptor is ready after vgem signals", ready(&family));
        let closed = s.vgem_close(&vgem, handle);
        s.succeeds("vgem closes the handle", closed)?;
    }

    let importer = observer.importer();
    for (via, write) in [(2, true), (3, false)] {
        let handle = match importer.import(family[via].number()) {
            refusal if refused(&family[via], &refusal) => importer.import(family[1].number()),
            handle => handle,
        };
        let handle = s.succeeds("the test importer imports it", handle)?;
        let usage = if write { Usage::Write } else { Usage::Read };
        let fence = importer.add_fence(handle, usage, FenceOrder::Own).or_broken("adding a fence")?;
        // A sync_file's name has room for 31 characters, and the driver's name alone takes most of them.
        let name = format!("{FENCE_DRIVER}-importer{}-{}", fence.context, fence.seqno);
        let name: String = name.chars().take(31).collect();
        let matches = |driver: &str, got: &str| driver == FENCE_DRIVER && got == name;
        s.holds(format!("every descriptor shows its {} fence", kind(write)), shown(&family, write, matches));
        s.holds("poll on every descriptor waits for it", waits(&family, write));
        importer.signal(fence.id, None).or_broken("signalling a fence")?;
        s.holds("poll on every descriptor is ready after it signals", ready(&family));
        importer.put(handle).or_broken("putting a buffer")?;
    }
    Ok(())
}

fn kind(write: bool) -> &'static str {
    if write { "write" } else { "read" }
}

fn shown(family: &[Fd], write: bool, is_it: impl Fn(&str, &str) -> bool) -> Result<(), String> {
    family.iter().try_for_each(|fd| {
        let info = fences(fd, Way::Write).map_err(gave)?;
        let right = info.fences.len() == 1 && info.status == 0 && is_it(&info.fences[0].driver, &info.name);
        let for_readers = pending(fd, Way::Read).map_err(gave)? > 0;
        let whom = if for_readers { "readers and writers" } else { "writers" };
        ensure(right && for_readers == write, || format!("{}: {}, for {whom}", fd.name, describe(&info)))
    })
}

fn waits(family: &[Fd], write: bool) -> Result<(), String> {
    polled(family, if write { PollFlags::empty() } else { PollFlags::POLLIN })
}

fn ready(family: &[Fd]) -> Result<(), String> {
    polled(family, PollFlags::POLLIN | PollFlags::POLLOUT)
}

fn polled(family: &[Fd], want: PollFlags) -> Result<(), String> {
    family.iter().try_for_each(|fd| {
        let got = poll_now(fd).map_err(gave)?;
        ensure(got == want, || format!("{}: {}", fd.name, poll_text(got)))
    })
}
