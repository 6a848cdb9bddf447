//! Fences that drivers attach after importing an alias.

use crate::prelude::*;
use crate::uapi::importer::FENCE_DRIVER;

case! {
    /// A driver that imported an alias attaches a fence to the buffer. Every descriptor shows that fence, and poll on
    /// every descriptor waits until the driver signals it. The drivers are vgem and the test importer. A fence of vgem does not
    /// stay pending when its device file is closed, and its last reference can be dropped in an interrupt.
    "F-6", Contract, Exporter::MAIN, [TestImporter, Vgem], [ALIASES, DUPLICATES],
    relies on [Importing, Polling]
}

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let vgem = Vgem::open()?;
    let primary = s.export(on.exporter, 1)?.primary;
    let observer = BufferObserver::start(&primary)?;
    let descriptors = s.descriptors_of(on.fds(), primary)?.into_vec();

    for (via, write) in [(2, true), (3, false)] {
        let handle = match s.vgem_import(&vgem, &descriptors[via]) {
            // A reader may be refused.
            refusal if reader_refused(&descriptors[via], &refusal) => vgem.quiet_import(&descriptors[1]),
            handle => handle,
        };
        let handle = s.succeeds("vgem imports it", handle)?;
        let fence = vgem.attach_fence(&handle, write);
        let fence = s.succeeds(format!("vgem attaches a {} fence", kind(write)), fence)?;
        s.holds("every descriptor shows the fence", shown(&descriptors, write, |driver, _| driver == "vgem"));
        s.holds("poll on every descriptor waits for it", waits(&descriptors, write));
        vgem.signal_fence(fence).or_broken("signalling a vgem fence")?;
        s.holds("poll on every descriptor is ready after vgem signals", ready(&descriptors));
        let closed = s.vgem_close(&vgem, handle);
        s.succeeds("vgem closes the handle", closed)?;
    }

    let other = Vgem::open()?;
    let handle = other.quiet_import(&descriptors[1]).or_broken("an import")?;
    other.attach_fence(&handle, true).or_broken("attaching a fence")?;
    s.holds("poll on every descriptor waits for a fence of another client", waits(&descriptors, true));
    drop(other);
    s.holds("poll on every descriptor is ready after that client has closed its device", ready(&descriptors));

    let importer = observer.importer();
    for (via, write) in [(2, true), (3, false)] {
        let handle = match importer.import(descriptors[via].number()) {
            refusal if reader_refused(&descriptors[via], &refusal) => importer.import(descriptors[1].number()),
            handle => handle,
        };
        let handle = s.succeeds("the test importer imports it", handle)?;
        let usage = if write { Usage::Write } else { Usage::Read };
        let fence = importer.add_fence(handle, usage, FenceOrder::Own).or_broken("adding a fence")?;
        // A sync_file's name has room for 31 characters, and the driver's name alone takes most of them.
        let name = format!("{FENCE_DRIVER}-importer{}-{}", fence.context, fence.seqno);
        let name: String = name.chars().take(31).collect();
        let matches = |driver: &str, got: &str| driver == FENCE_DRIVER && got == name;
        s.holds(format!("every descriptor shows its {} fence", kind(write)), shown(&descriptors, write, matches));
        s.holds("poll on every descriptor waits for it", waits(&descriptors, write));
        importer.signal(fence.id, None).or_broken("signalling a fence")?;
        s.holds("poll on every descriptor is ready after it signals", ready(&descriptors));
        importer.put(handle).or_broken("putting a buffer")?;
    }
    // At the end, because a complaint ends the guest: kernels had a bug here before "drm/vgem-fence: Fix potential deadlock on release".
    s.holds("a vgem fence that is freed by a signal leaves nothing behind", freed_by_a_signal(on.exporter)?);
    Ok(())
}

/// A signalled fence of vgem is merged with a pending one, and only the merge is left of it. When the other one signals, an interrupt
/// frees both; what is wrong with that is in the kernel log.
fn freed_by_a_signal(exporter: Exporter) -> CaseResult<Result<(), String>> {
    let vgem = Vgem::open()?;
    let timeline = Timeline::named("frees")?;
    let fd = export(exporter, 1).or_broken("export of a buffer")?.primary;
    let handle = vgem.quiet_import(&fd).or_broken("an import")?;
    let fence = vgem.attach_fence(&handle, true).or_broken("attaching a fence")?;
    let exported = export_sync_file(fd.as_fd(), SyncAccess::Read).or_broken("exporting a fence")?;
    let merged = sync_file::merge(exported.as_fd(), timeline.next()?.as_fd()).or_broken("merging")?;
    // Adds the callbacks that hold the merge.
    poll_for(merged.as_fd(), PollFlags::POLLIN).or_broken("poll")?;
    vgem.signal_fence(fence).or_broken("signalling a vgem fence")?;
    vgem.quiet_close(handle).or_broken("closing a handle")?;
    drop((merged, exported, fd, vgem));
    timeline.advance()?;
    let free = || {
        let pending = pending_on("frees")?.unwrap_or(0);
        Ok(ensure(pending == 0, || format!("fences of the timeline that are pending: {pending}")))
    };
    settled(drain_if_possible, free)
}

fn kind(write: bool) -> &'static str {
    if write { "write" } else { "read" }
}

fn shown(descriptors: &[Fd], write: bool, is_it: impl Fn(&str, &str) -> bool) -> Result<(), String> {
    descriptors.iter().try_for_each(|fd| {
        let info = fences(fd, SyncAccess::Write).map_err(gave)?;
        let right = info.fences.len() == 1 && info.status == 0 && is_it(&info.fences[0].driver, &info.name);
        let for_readers = pending(fd, SyncAccess::Read).map_err(gave)? > 0;
        let whom = if for_readers { "readers and writers" } else { "writers" };
        ensure(right && for_readers == write, || format!("{}: {}, for {whom}", fd.name, describe(&info)))
    })
}

fn waits(descriptors: &[Fd], write: bool) -> Result<(), String> {
    polled(descriptors, if write { PollFlags::empty() } else { PollFlags::POLLIN })
}

fn ready(descriptors: &[Fd]) -> Result<(), String> {
    polled(descriptors, PollFlags::POLLIN | PollFlags::POLLOUT)
}

fn polled(descriptors: &[Fd], want: PollFlags) -> Result<(), String> {
    descriptors.iter().try_for_each(|fd| {
        let got = poll_now(fd).map_err(gave)?;
        ensure(got == want, || format!("{}: {}", fd.name, poll_text(got)))
    })
}
