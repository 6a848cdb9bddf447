//! A camera that captures into a read-only alias.

use crate::fixture::vivid::SLOTS;
use crate::prelude::*;

case! {
    /// vivid captures a frame into a buffer through a read-only alias while no writable descriptor exists: every page
    /// of the frame changes. The driver maps the buffer into the kernel (vb2_vmalloc_map_dmabuf) without attaching a
    /// device, and releases all it took. The same for a heap buffer exported O_RDONLY: the limit is older than aliases.
    "H-1", Hazard("V4L2 gets the buffer by dma_buf_get(), which does not tell it the descriptor's access mode"),
    &[Exporter::SystemHeap, Exporter::Udmabuf, Exporter::Vgem], [TestImporter, Vivid, KernelMapping], [ALIASES, EXPORTED.only_on(Exporter::HEAP)],
    relies on [Importing]
}

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let (vivid, bytes) = Vivid::with_small_frames()?;
    let (observer, fd) = s.only_reader(on, frame_pages(bytes))?;
    judge(s, &observer, &fd, &vivid, bytes)
}

/// Captures a frame into a buffer without a writable descriptor.
fn judge(s: &mut Steps, observer: &BufferObserver, alias: &Fd, vivid: &Vivid, bytes: usize) -> CaseResult {
    let len = bytes.next_multiple_of(PAGE);
    let writable = s.mmap(alias, len, RW, libc::MAP_SHARED);
    s.about("R-3").fails_with(format!("the {} cannot be mapped for writing", alias.name), &writable, Errno::EACCES);
    observer.needs_kernel_mapping(alias)?;
    let before = observer.counts(&[alias])?;
    s.equal("before the capture all bytes are zero", blank_pages(alias, len)?, len / PAGE);

    let slots = s.vivid_slots(vivid, SLOTS);
    s.succeeds("vivid accepts dma-bufs", slots)?;
    for slot in 0..SLOTS {
        let queued = s.vivid_queue(vivid, slot, alias);
        if queued.is_err() {
            s.hazard(format!("vivid queues the {}", alias.name), false);
            return Ok(());
        }
    }
    let facts = observer.glance()?;
    s.note(format!("vivid has {} attachments and {} kernel mappings of the buffer", facts.attachments, facts.vmaps));
    // A kernel may close this when the stream starts, or with a frame that ends in an error.
    let frame = s.vivid_stream(vivid, true).and_then(|()| s.vivid_dequeue(vivid));
    if let Ok(frame) = &frame {
        s.note(format!("{} of {bytes} bytes captured, error: {}", frame.bytes, frame.error));
    }
    let changed = len / PAGE - blank_pages(alias, len)?;
    s.hazard(format!("the frame is in the buffer: a driver wrote through the {}", alias.name), changed > 0);

    let stopped = s.vivid_stream(vivid, false);
    s.succeeds("the stream stops", stopped)?;
    let slots = s.vivid_slots(vivid, 0);
    s.succeeds("vivid releases its buffers", slots)?;
    s.holds("reference counts unchanged", observer.unchanged(&[alias], &before)?);
    Ok(())
}

/// How many of the pages of the first `len` bytes contain only zeros.
fn blank_pages(fd: &Fd, len: usize) -> CaseResult<usize> {
    let mapped = memory::map(fd.as_fd(), len, libc::PROT_READ, libc::MAP_SHARED, 0);
    let mapped = mapped.or_broken("mapping an alias for reading")?;
    let blank = |page: usize| (page * PAGE..len.min((page + 1) * PAGE)).all(|offset| mapped.read(offset) == 0);
    Ok((0..len.div_ceil(PAGE)).filter(|page| blank(*page)).count())
}
