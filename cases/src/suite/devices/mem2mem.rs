//! A device that reads one read-only buffer and writes another in the same job.

use crate::fixture::mem2mem::{BYTES, PAGES};
use crate::prelude::*;
use crate::uapi::v4l2::VideoQueue::{Capture, Output};

case! {
    /// vim2m reads a picture through a read-only alias, which is what the alias is for, and writes it through another read-only
    /// alias in the same job: every byte of the second buffer changes. The same for buffers that vgem exported O_RDONLY: the limit is
    /// older than aliases.
    "H-1", Hazard("a V4L2 device gets the buffers that it reads and those that it writes by the same dma_buf_get(), which tells no access mode"),
    Exporter::MAIN, [TestImporter, Mem2mem, KernelMapping], [ALIASES, EXPORTED.needing(&[Need::Vgem]).only_on(Exporter::HEAP)],
    relies on [Importing]
}

const PICTURE: u8 = 0x5a;

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let source = s.read_only_buffer(on, "source", PAGES, PICTURE)?;
    let target = s.read_only_buffer(on, "target", PAGES, 0)?;
    let other = s.export(on.exporter, PAGES)?.primary;
    target.observer.needs_kernel_mapping(&target.fd)?;
    let before = [source.observer.counts(&[&source.fd])?, target.observer.counts(&[&target.fd])?];
    let device = Mem2mem::open()?;

    let queued = s.mem2mem_queue(&device, Output, &source.fd);
    let queued = queued.and_then(|()| s.mem2mem_queue(&device, Capture, &other));
    let read = queued.and_then(|()| s.mem2mem_job(&device)).map_err(gave);
    let shown = read.and_then(|_| count(&other, PICTURE).map_err(gave));
    s.control(
        "C-2",
        format!("vim2m reads the {} into a read-write buffer", source.fd.name),
        shown.and_then(|bytes| ensure(bytes == BYTES, || format!("{bytes} of {BYTES} bytes"))),
    );
    s.mem2mem_stop(&device).or_broken("VIDIOC_STREAMOFF")?;

    let reads = s.mem2mem_queue(&device, Output, &source.fd);
    let writes = s.mem2mem_queue(&device, Capture, &target.fd);
    s.note_held("vim2m", &source.observer, &source.fd.name)?;
    s.note_held("vim2m", &target.observer, &target.fd.name)?;
    let job = reads.and(writes).and_then(|()| s.mem2mem_job(&device));
    let bytes = target.count(PICTURE);
    s.note(format!("vim2m wrote {bytes} of {BYTES} bytes of the {}", target.fd.name));
    s.hazard(
        format!("one job reads the {} and writes the {}", source.fd.name, target.fd.name),
        job.is_ok() && bytes > 0,
    );

    let stopped = s.mem2mem_stop(&device);
    s.succeeds("the device stops", stopped)?;
    let freed = s.mem2mem_free(&device);
    s.succeeds("the device releases its buffers", freed)?;
    for (buffer, before) in [&source, &target].into_iter().zip(&before) {
        let unchanged = buffer.observer.unchanged(&[&buffer.fd], before)?;
        s.holds(format!("reference counts of the {} unchanged", buffer.fd.name), unchanged);
    }
    Ok(())
}

/// How many bytes of a picture are `byte`.
fn count(fd: &Fd, byte: u8) -> Result<usize, Errno> {
    let seen = memory::map(fd.as_fd(), BYTES, libc::PROT_READ, libc::MAP_SHARED, 0)?;
    Ok(seen.count(byte))
}
