//! A device of industrial I/O that sends and receives samples by way of read-only aliases.

use std::fs::File;

use crate::prelude::*;
use crate::uapi::iio::{self, SampleStream};

case! {
    /// The samples that an industrial I/O device sends are read through a read-only alias, which is what the alias is for, and those
    /// that it receives are written through one: every byte of the buffer changes. The same for a buffer that vgem exported O_RDONLY:
    /// the limit is older than aliases.
    "H-3", Hazard("the core of IIO maps a buffer in the direction of the stream, for whoever holds a descriptor of the buffer"),
    Exporter::MAIN, [TestImporter, IndustrialIo], [ALIASES, EXPORTED.needing(&[Need::Vgem]).only_on(Exporter::HEAP)],
    relies on [Importing]
}

const PAGES: usize = 2;
const BYTES: usize = PAGES * PAGE;
const READ: u8 = 0x5a;
const WRITTEN: u8 = 0xe1;

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let buffer = s.read_only_buffer(on, "buffer", PAGES, READ)?;
    let name = buffer.fd.name.clone();
    let mut other = s.export(on.exporter, PAGES)?.primary;
    other.name = "other buffer".into();
    let plain = memory::map(other.as_fd(), BYTES, RW, libc::MAP_SHARED, 0).or_broken("mapping a buffer")?;
    let before = buffer.observer.counts(&[&buffer.fd])?;
    let device = open_device(iio::DEVICE).or_broken(iio::DEVICE)?;

    let held = Some(&buffer.observer);
    let sent = transfer(s, &device, SampleStream::Output, &buffer.fd, held)?;
    // What the device has read comes back through a buffer that it may write.
    let back = sent.and(transfer(s, &device, SampleStream::Input, &other, None)?);
    let right = plain.count(READ);
    s.control(
        "C-1",
        format!("the device sends the samples of the {name}"),
        back.map_err(gave).and_then(|()| ensure(right == BYTES, || format!("{right} of {BYTES} bytes"))),
    );

    (0..BYTES).for_each(|offset| plain.write(offset, WRITTEN));
    transfer(s, &device, SampleStream::Output, &other, None)?.or_broken("sending samples")?;
    let received = transfer(s, &device, SampleStream::Input, &buffer.fd, held)?;
    let written = buffer.count(WRITTEN);
    s.note(format!("the device wrote {written} of {BYTES} bytes of the {name}"));
    s.hazard(format!("the device writes samples to the {name}"), received.is_ok() && written > 0);
    s.holds("reference counts unchanged", buffer.observer.unchanged(&[&buffer.fd], &before)?);
    Ok(())
}

/// Attaches a buffer to a stream, transfers all of it, and detaches it. Inside is the errno of what was refused.
fn transfer(
    s: &mut Steps,
    device: &File,
    stream: SampleStream,
    fd: &Fd,
    observer: Option<&BufferObserver>,
) -> CaseResult<Result<(), Errno>> {
    let file = iio::open_stream(device.as_fd(), stream).or_broken("IIO_BUFFER_GET_FD_IOCTL")?;
    let text = |call: &str| format!("iio_{call}({stream:?}, {})", fd.name);
    let attached = s.call(text("attach"), |()| "mapped".into(), || iio::attach(file.as_fd(), fd.as_fd()));
    if attached.is_err() {
        return Ok(attached);
    }
    if let Some(observer) = observer {
        s.note_held("the device", observer, &fd.name)?;
    }
    let done = s.call(text("enqueue"), |()| "done".into(), || iio::enqueue(file.as_fd(), fd.as_fd(), BYTES));
    let detached = s.call(text("detach"), |()| "ok".into(), || iio::detach(file.as_fd(), fd.as_fd()));
    detached.or_broken("detaching a buffer")?;
    Ok(done)
}
