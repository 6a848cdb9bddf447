//! A V4L2 output that shows frames from a read-only descriptor.

use crate::fixture::video_output::SLOTS;
use crate::prelude::*;

case! {
    /// The output node of vivid takes a read-only alias in each slot of its queue and shows a frame from it; the bytes of the buffer
    /// stay what they were. The same for a heap buffer exported O_RDONLY.
    "C-2", Contract, Exporter::MAIN, [TestImporter, VideoOutput, KernelMapping], [ALIASES, EXPORTED.only_on(Exporter::HEAP)],
    relies on [Importing]
}

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let output = VideoOutput::open()?;
    let pages = frame_pages(output.bytes as usize);
    let (observer, fd) = s.only_reader(on, pages)?;
    judge(s, &observer, &fd, &output)
}

/// Shows a frame from a buffer without a writable descriptor.
fn judge(s: &mut Steps, observer: &BufferObserver, fd: &Fd, output: &VideoOutput) -> CaseResult {
    let len = (output.bytes as usize).next_multiple_of(PAGE);
    observer.needs_kernel_mapping(fd)?;
    let seen = memory::map(fd.as_fd(), len, libc::PROT_READ, libc::MAP_SHARED, 0);
    let seen = seen.or_broken("mapping a buffer for reading")?;
    let before = observer.counts(&[fd])?;
    let slots = s.output_slots(output, SLOTS);
    slots.or_broken("VIDIOC_REQBUFS")?;
    for slot in 0..SLOTS {
        let queued = s.output_queue(output, slot, fd);
        s.succeeds(format!("the output takes the {}", fd.name), queued)?;
    }
    s.note_held("vivid", observer, &fd.name)?;
    let started = s.output_stream(output, true);
    s.succeeds("the stream starts", started)?;
    let shown = s.output_dequeue(output);
    let shown = s.succeeds("a frame is shown", shown)?;
    s.check("it is shown without an error", !shown.error, "V4L2_BUF_FLAG_ERROR");
    let stopped = s.output_stream(output, false);
    s.succeeds("the stream stops", stopped)?;
    let slots = s.output_slots(output, 0);
    s.succeeds("vivid releases its buffers", slots)?;
    s.equal("bytes that have changed", len - seen.count(0), 0);
    s.about("L-3").holds("reference counts unchanged", observer.unchanged(&[fd], &before)?);
    Ok(())
}
