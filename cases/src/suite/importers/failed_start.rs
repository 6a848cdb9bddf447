//! Streams that cannot start.

use crate::fixture::vivid::SLOTS;
use crate::prelude::*;
use crate::uapi::v4l2_control::{FAIL_NEXT_START, press};

case! {
    /// The driver of a camera fails to start a stream, at STREAMON or at the QBUF that completes what the stream needs. After
    /// STREAMON the queue has its buffers as before; after QBUF the same buffer can be queued again. Once the driver starts,
    /// each buffer gets a frame.
    "IMP-4", Contract, Exporter::HEAP, [Vivid, TestImporter, KernelMapping], [EXPORTED, ALIASES],
    relies on [Importing]
}

/// Milliseconds until a frame has to be there, on a slow machine.
const PATIENCE: u16 = 1000;

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let (vivid, bytes) = Vivid::with_small_frames()?;
    let buffers =
        [s.export(on.exporter, frame_pages(bytes))?.primary, s.export(on.exporter, frame_pages(bytes))?.primary];
    let watch = BufferObserver::start(&buffers[1])?;
    watch.needs_kernel_mapping(&buffers[1])?;
    let alias = s.alias_if(on.fds(), "RW alias", &buffers[1], RDWR)?;
    let fds = [&buffers[0], alias.as_ref().unwrap_or(&buffers[1])];
    let before = watch.counts(&[fds[1]])?;
    let slots = s.vivid_slots(&vivid, SLOTS);
    s.succeeds("vivid accepts dma-bufs", slots)?;

    for (slot, fd) in fds.into_iter().enumerate() {
        v4l2::queue(vivid.as_fd(), slot as u32, fd.as_fd()).or_broken("VIDIOC_QBUF")?;
    }
    press(vivid.as_fd(), FAIL_NEXT_START).or_broken("the control of vivid")?;
    let started = s.vivid_stream(&vivid, true);
    s.must("STREAMON fails when the driver does", started.is_err(), "it succeeded")?;
    let started = s.vivid_stream(&vivid, true);
    s.succeeds("STREAMON again succeeds", started)?;
    s.holds("each buffer gets a frame", filled(&vivid));
    v4l2::stream_off(vivid.as_fd()).or_broken("VIDIOC_STREAMOFF")?;

    press(vivid.as_fd(), FAIL_NEXT_START).or_broken("the control of vivid")?;
    let found = completed(&vivid, fds);
    s.holds("QBUF fails when the driver does, and succeeds again", found);
    s.holds("each buffer gets a frame", filled(&vivid));
    v4l2::stream_off(vivid.as_fd()).or_broken("VIDIOC_STREAMOFF")?;
    let slots = s.vivid_slots(&vivid, 0);
    s.succeeds("vivid gives up its slots", slots)?;
    s.holds("slots freed: counts as before", watch.unchanged(&[fds[1]], &before)?);
    Ok(())
}

/// Starts the stream before its buffers are there. Drivers may start at STREAMON or wait for enough buffers, so the failure that is
/// due comes from either.
fn completed(vivid: &Vivid, fds: [&Fd; 2]) -> Result<(), String> {
    let mut failures = 0;
    let mut twice = |what: &str, act: &dyn Fn() -> Result<(), Errno>| {
        let first = act();
        failures += usize::from(first.is_err());
        first.or_else(|_| act()).map_err(|errno| format!("{what} again: {}", errno_name(errno)))
    };
    twice("STREAMON", &|| v4l2::stream_on(vivid.as_fd()))?;
    for (slot, fd) in fds.into_iter().enumerate() {
        twice("QBUF", &|| v4l2::queue(vivid.as_fd(), slot as u32, fd.as_fd()))?;
    }
    ensure(failures == 1, || format!("{failures} calls failed"))
}

/// Waits for a frame in each of the two buffers.
fn filled(vivid: &Vivid) -> Result<(), String> {
    let mut slots = Vec::new();
    for number in 1..=2 {
        let frame = v4l2::wait_for_frame(vivid.as_fd(), PATIENCE).and_then(|()| v4l2::dequeue(vivid.as_fd()));
        slots.push(frame.map_err(|errno| format!("frame {number}: {}", errno_name(errno)))?.index);
    }
    ensure(slots[0] != slots[1], || "one buffer got both frames".into())
}
