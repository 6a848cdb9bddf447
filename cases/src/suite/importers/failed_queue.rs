//! QBUF when one of its allocations fails.

use std::cell::RefCell;

use crate::fixture::vivid::SLOTS;
use crate::prelude::*;

case! {
    /// If the first, second, third ... allocation of QBUF fails, those of the kernel's mapping included, the caller gets
    /// ENOMEM, EINVAL or EFAULT, the queue holds nothing of the buffer, and the same QBUF works
    /// afterwards. The same when only single pages are available. Not of heap buffers: their mapping needs vmalloc(), which
    /// logs that it failed, as it should.
    "IMP-6", Contract, &[Exporter::Udmabuf], [Vivid, TestImporter, FaultInjection, KernelMapping], [EXPORTED, ALIASES],
    relies on [Importing]
}

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let (vivid, bytes) = Vivid::with_small_frames()?;
    let primary = s.export(on.exporter, frame_pages(bytes))?.primary;
    let observer = BufferObserver::start(&primary)?;
    observer.needs_kernel_mapping(&primary)?;
    let alias = s.alias_if(on.fds(), "RW alias", &primary, RDWR)?;
    let fd = alias.as_ref().unwrap_or(&primary);
    let fail = FailNth::prepare()?;
    let slots = s.vivid_slots(&vivid, SLOTS);
    s.succeeds("vivid accepts dma-bufs", slots)?;
    let queue = || v4l2::queue(vivid.as_fd(), 0, fd.as_fd());
    let freed = || {
        let freed = v4l2::request_slots(vivid.as_fd(), 0).and_then(|_| v4l2::request_slots(vivid.as_fd(), SLOTS));
        freed.map(drop).or_broken("VIDIOC_REQBUFS")
    };
    queue().or_broken("VIDIOC_QBUF")?;
    freed()?;
    let before = observer.counts(&[fd])?;

    let single = fail.without_high_orders(queue)?;
    s.holds("with single pages only, the buffer is queued", single.map_err(gave));
    freed()?;
    let (wrong, before) = (RefCell::new(Vec::new()), RefCell::new(before));
    let walked = fail.walk(|failing| {
        let result = failing.call(queue)?;
        let done = match result {
            Ok(()) => v4l2::stream_off(vivid.as_fd()).map_err(gave),
            Err(_) => observer.unchanged(&[fd], &before.borrow())?,
        };
        let answer = failing.clean("QBUF", result, &[Errno::ENOMEM, Errno::EINVAL, Errno::EFAULT]);
        let again = queue().map_err(|errno| format!("QBUF again: {}", errno_name(errno)));
        freed()?;
        let same = observer.unchanged(&[fd], &before.borrow())?;
        if let Err(what) = answer.and(done).and(again).and(same) {
            wrong.borrow_mut().push(format!("{failing}: {what}"));
            // What is lost stays lost; the next failures are judged by what is there now.
            before.replace(observer.counts(&[fd])?);
        }
        Ok(Ok(()))
    })?;
    s.holds("QBUF allocates memory, and ends with no allocation failing", some(walked));
    let wrong = wrong.into_inner();
    let found = ensure(wrong.is_empty(), || wrong.join("; "));
    s.holds("QBUF with any allocation failing: a clean errno, nothing is held, and the next one works", found);
    Ok(())
}
