//! Which buffer a V4L2 queue holds for a slot, and under which number.

use crate::fixture::vivid::SLOTS;
use crate::prelude::*;

case! {
    /// For each slot the queue reports the descriptor that was queued last, by QUERYBUF and with a captured frame, also when
    /// that is another descriptor of the same buffer, or the same number for another buffer. A buffer is held, once, until
    /// another one is queued at its index, the slots are freed, or the device is closed; then every count is as before.
    "IMP-4", Contract, Exporter::HEAP, [Vivid, TestImporter, KernelMapping], [EXPORTED, ALIASES],
    relies on [Importing]
}

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let (vivid, bytes) = Vivid::with_small_frames()?;
    let first = s.export(on.exporter, frame_pages(bytes))?.primary;
    let mut other = export(on.exporter, frame_pages(bytes)).or_broken("another buffer")?.primary;
    other.name = "other buffer".into();
    let (watch, watch_other) = (BufferObserver::start(&first)?, BufferObserver::start(&other)?);
    watch.needs_kernel_mapping(&first)?;
    let again = s.alias_or_duplicate(on.fds(), "alias", &first, RDWR)?;
    let before = watch.counts(&[&first, &again])?;
    let before_other = watch_other.counts(&[&other])?;
    let slots = s.vivid_slots(&vivid, SLOTS);
    s.succeeds("vivid accepts dma-bufs", slots)?;

    let vmaps = || Ok((watch.glance()?.vmaps, watch_other.glance()?.vmaps));
    let (only_first, only_other) = ((Count::Exact(1), Count::Exact(0)), (Count::Exact(0), Count::Exact(1)));
    for fd in [&first, &again, &first, &other, &again] {
        queue(s, &vivid, fd)?;
        let free = if std::ptr::eq(fd, &other) {
            watch.unchanged(&[&first, &again], &before)?
        } else {
            watch_other.unchanged(&[&other], &before_other)?
        };
        s.holds(format!("{} queued: the buffer before it, if another, is not held", fd.name), free);
        let want = if std::ptr::eq(fd, &other) { only_other } else { only_first };
        s.equal(format!("{} queued: kernel mappings of the two buffers", fd.name), vmaps()?, want);
    }
    for (fd, want) in [(&first, only_first), (&other, only_other)] {
        let number = Fd::new("the lowest number", fd.quiet_dup().or_broken("dup")?);
        queue(s, &vivid, &number)?;
        s.equal(format!("as another descriptor of {}: kernel mappings of the two buffers", fd.name), vmaps()?, want);
    }
    captured(s, &vivid, [&first, &other], &again)?;

    let slots = s.vivid_slots(&vivid, 0);
    s.succeeds("vivid gives up its slots", slots)?;
    s.holds("slots freed: counts as before", watch.unchanged(&[&first, &again], &before)?);
    s.holds("slots freed: counts of the other buffer as before", watch_other.unchanged(&[&other], &before_other)?);
    let slots = s.vivid_slots(&vivid, SLOTS);
    s.succeeds("vivid accepts dma-bufs again", slots)?;
    queue(s, &vivid, &again)?;
    drop(vivid);
    s.holds("device closed: counts as before", watch.unchanged(&[&first, &again], &before)?);
    Ok(())
}

/// Takes everything out of the queue and queues a descriptor in the first slot.
fn queue(s: &mut Steps, vivid: &Vivid, fd: &Fd) -> CaseResult {
    v4l2::stream_off(vivid.as_fd()).or_broken("VIDIOC_STREAMOFF")?;
    let queued = s.vivid_queue(vivid, 0, fd);
    s.succeeds(format!("{} is queued", fd.name), queued)?;
    let reported = v4l2::queued(vivid.as_fd(), 0).or_broken("VIDIOC_QUERYBUF")?;
    s.must(format!("the slot reports {}", fd.name), reported == fd.number(), "it reports another number")
}

/// Captures into two buffers, and into one of them again by another number.
fn captured(s: &mut Steps, vivid: &Vivid, fds: [&Fd; 2], again: &Fd) -> CaseResult {
    v4l2::stream_off(vivid.as_fd()).or_broken("VIDIOC_STREAMOFF")?;
    for (slot, fd) in fds.into_iter().enumerate() {
        v4l2::queue(vivid.as_fd(), slot as u32, fd.as_fd()).or_broken("VIDIOC_QBUF")?;
    }
    let started = s.vivid_stream(vivid, true);
    s.succeeds("the stream starts", started)?;
    let mut numbers = [fds[0].number(), fds[1].number()];
    let mut found = Ok(());
    for _ in 0..3 {
        let frame = v4l2::dequeue(vivid.as_fd()).or_broken("VIDIOC_DQBUF")?;
        let slot = frame.index as usize;
        found = found.and(ensure(frame.fd == numbers[slot], || format!("slot {slot}: another number")));
        let next = if slot == 0 { again } else { fds[1] };
        v4l2::queue(vivid.as_fd(), frame.index, next.as_fd()).or_broken("VIDIOC_QBUF")?;
        numbers[slot] = next.number();
    }
    s.holds("every frame reports the descriptor that was queued last", found);
    let stopped = s.vivid_stream(vivid, false);
    s.succeeds("the stream stops", stopped)
}
