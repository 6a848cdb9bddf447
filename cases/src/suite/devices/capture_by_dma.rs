//! A camera with DMA that captures into a read-only alias.

use crate::fixture::vivid::SLOTS;
use crate::prelude::*;

case! {
    /// A vivid whose queue is that of devices with DMA attaches to a read-only alias, maps it for DMA_FROM_DEVICE, maps it into the
    /// kernel, and writes a frame: all in one stream of one driver. The same for a heap buffer exported O_RDONLY: the limit is older
    /// than aliases.
    "H-3", Hazard("vb2_dc_map_dmabuf() maps for the direction of its queue; dma_buf_map_attachment() has no descriptor to compare it with"),
    Exporter::HEAPS, [TestImporter, DmaCapture, KernelMapping], [ALIASES, EXPORTED.only_on(Exporter::HEAP)],
    relies on [Importing]
}

/// The queue needs one piece of memory: a multiple of what the system heap allocates at once.
const PAGES: usize = 16;
const FRAME_MS: u16 = 10_000;

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let (observer, fd) = s.only_reader(on, PAGES)?;
    judge(s, &observer, &fd)
}

/// Captures a frame into a buffer without a writable descriptor.
fn judge(s: &mut Steps, observer: &BufferObserver, alias: &Fd) -> CaseResult {
    let (vivid, bytes) = Vivid::with_dma()?;
    (bytes <= PAGES * PAGE).then_some(()).ok_or("too large for the buffer").or_broken("the frames of vivid")?;
    let writable = s.mmap(alias, bytes, RW, libc::MAP_SHARED);
    s.about("R-3").fails_with(format!("the {} cannot be mapped for writing", alias.name), &writable, Errno::EACCES);
    observer.needs_kernel_mapping(alias)?;
    let before = observer.counts(&[alias])?;
    let slots = s.vivid_slots(&vivid, SLOTS);
    s.succeeds("vivid accepts dma-bufs", slots)?;
    for slot in 0..SLOTS {
        if s.vivid_queue(&vivid, slot, alias).is_err() {
            s.hazard(format!("vivid maps the {} for DMA_FROM_DEVICE", alias.name), false);
            return Ok(());
        }
    }
    s.note_held("vivid", observer, &alias.name)?;
    let attached = observer.glance()?.attachments;
    s.hazard(format!("vivid maps the {} for DMA_FROM_DEVICE", alias.name), attached == SLOTS);

    // A frame that is there and not taken yet still has its kernel mapping.
    let started = s.vivid_stream(&vivid, true);
    let frame = started
        .and_then(|()| s.call("poll(vivid)", |()| "a frame".into(), || v4l2::wait_for_frame(vivid.as_fd(), FRAME_MS)));
    let mapped = observer.glance()?.vmaps;
    s.hazard(format!("vivid maps the {} into the kernel", alias.name), mapped != 0);
    let frame = frame.and_then(|()| s.vivid_dequeue(&vivid));
    let stopped = s.vivid_stream(&vivid, false);
    s.succeeds("the stream stops", stopped)?;
    let (changed, pages) = (written_pages(alias, bytes)?, bytes.div_ceil(PAGE));
    let bytes = frame.map_or(0, |frame| if frame.error { 0 } else { frame.bytes });
    s.note(format!("vivid wrote {bytes} bytes, to {changed} of {pages} pages of the {}", alias.name));
    s.hazard(format!("the frame is in the {}", alias.name), bytes > 0 && changed > 0);

    let slots = s.vivid_slots(&vivid, 0);
    s.succeeds("vivid releases its buffers", slots)?;
    s.holds("reference counts unchanged", observer.unchanged(&[alias], &before)?);
    Ok(())
}

/// How many pages do not only have zeros.
fn written_pages(fd: &Fd, len: usize) -> CaseResult<usize> {
    let mapped = memory::map(fd.as_fd(), len, libc::PROT_READ, libc::MAP_SHARED, 0);
    let mapped = mapped.or_broken("mapping an alias for reading")?;
    let written = |page: &usize| (page * PAGE..len.min((page + 1) * PAGE)).any(|offset| mapped.read(offset) != 0);
    Ok((0..len.div_ceil(PAGE)).filter(written).count())
}
