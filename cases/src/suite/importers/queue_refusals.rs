//! Buffers that a V4L2 queue must not take.

use nix::unistd::pipe;

use crate::fixture::vivid::SLOTS;
use crate::prelude::*;

case! {
    /// QBUF refuses closed numbers and files that are not dma-bufs, buffers and lengths that are too small for a frame, and
    /// lengths greater than the buffer. It holds nothing of what it refused, keeps no mapping, and takes a good buffer at the
    /// same index afterwards.
    "IMP-5", Contract, Exporter::MAIN, [Vivid, TestImporter, KernelMapping], [EXPORTED, ALIASES.only_on(Exporter::HEAP)],
    relies on [Importing]
}

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let (vivid, bytes) = Vivid::with_small_frames()?;
    let pages = frame_pages(bytes);
    let good = s.export(on.exporter, pages)?.primary;
    let mut small = export(on.exporter, 1).or_broken("a small buffer")?.primary;
    small.name = "small buffer".into();
    let (watch, watch_small) = (BufferObserver::start(&good)?, BufferObserver::start(&small)?);
    watch.needs_kernel_mapping(&good)?;
    let (good, small) = match on.fds() {
        FdKind::Alias => {
            let aliases = (s.must_derive("alias", &good, RDWR)?, s.must_derive("small alias", &small, RDWR)?);
            drop((good, small));
            aliases
        }
        _ => (good, small),
    };
    let before = watch.counts(&[&good])?;
    let before_small = watch_small.counts(&[&small])?;
    let slots = s.vivid_slots(&vivid, SLOTS);
    s.succeeds("vivid accepts dma-bufs", slots)?;

    let queue = |fd: i32, length| v4l2::queue_with(vivid.as_fd(), 0, fd, length);
    let (reading, _writing) = pipe().or_broken("pipe")?;
    let node = vivid.as_fd().as_raw_fd();
    let works = || {
        let taken = queue(good.number(), 0).and_then(|()| v4l2::stream_off(vivid.as_fd())).map_err(gave);
        let freed = v4l2::request_slots(vivid.as_fd(), 0).and_then(|_| v4l2::request_slots(vivid.as_fd(), SLOTS));
        freed.map(|_| taken).or_broken("VIDIOC_REQBUFS")
    };
    let allowed = [Errno::EINVAL, Errno::EBADF, Errno::EFAULT];
    for (what, fd, length) in [
        ("a closed number", 1000, 0),
        ("-1", -1, 0),
        ("a pipe", reading.as_raw_fd(), 0),
        ("the node itself", node, 0),
        ("a buffer of one page", small.number(), 0),
        ("a length of one byte", good.number(), 1),
        ("a length of a byte less than a frame", good.number(), bytes as u32 - 1),
    ] {
        let result = s.call(format!("vivid_qbuf(0, {what})"), |()| "ok".into(), || queue(fd, length));
        s.must_hold(format!("{what} is refused"), refused("it", &result, &allowed))?;
        let same = watch.unchanged(&[&good], &before)?.and(watch_small.unchanged(&[&small], &before_small)?);
        s.must_hold(format!("{what}: nothing is held, and a good buffer is taken"), same.and(works()?))?;
    }
    let mut refusals = Ok(());
    for (what, fd, length) in [
        ("a length greater than the buffer", good.number(), ((pages + 1) * PAGE) as u32),
        ("a length of a frame for a buffer of one page", small.number(), bytes as u32),
        ("the greatest length", good.number(), u32::MAX),
    ] {
        let result = s.call(format!("vivid_qbuf(0, {what})"), |()| "ok".into(), || queue(fd, length));
        refusals = refusals.and(refused(what, &result, &allowed)).and(works()?);
    }
    s.holds("lengths greater than the buffer are refused, and a good buffer is taken", refusals);
    let same = watch.unchanged(&[&good], &before)?.and(watch_small.unchanged(&[&small], &before_small)?);
    s.holds("lengths greater than the buffer: nothing is held", same);
    Ok(())
}
