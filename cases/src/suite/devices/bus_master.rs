//! A bus master that reads and writes a read-only alias.

use std::fs::File;

use crate::prelude::*;

case! {
    /// A PCI card reads a buffer through a read-only alias by DMA, which is what the alias is for, and writes every byte of it by DMA:
    /// no processor of the guest touches the buffer. The same for a buffer that vgem exported O_RDONLY: the limit is older than aliases.
    "H-3", Hazard("the driver alone chooses the direction of a mapping, and without an IOMMU a card writes wherever it likes"),
    Exporter::MAIN, [TestImporter, BusMaster], [ALIASES, EXPORTED.needing(&[Need::Vgem]).only_on(Exporter::HEAP)],
    relies on [Importing]
}

const PAGES: usize = 2;
const BYTES: usize = PAGES * PAGE;
const PICTURE: u8 = 0x5a;
const WRITTEN: u8 = 0xe1;

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let buffer = s.read_only_buffer(on, "buffer", PAGES, PICTURE)?;
    let name = buffer.fd.name.clone();
    let before = buffer.observer.counts(&[&buffer.fd])?;
    let card = open_device(edu::DEVICE).or_broken(edu::DEVICE)?;

    let mut read = vec![0; BYTES];
    let done = dma(s, &card, &buffer, (Direction::ToDevice, "DMA_TO_DEVICE"), &mut read)?;
    let right = read.iter().filter(|byte| **byte == PICTURE).count();
    s.control(
        "C-1",
        format!("the card reads the {name}"),
        done.map_err(gave).and_then(|()| ensure(right == BYTES, || format!("{right} of {BYTES} bytes"))),
    );

    let done = dma(s, &card, &buffer, (Direction::FromDevice, "DMA_FROM_DEVICE"), &mut vec![WRITTEN; BYTES])?;
    let written = buffer.count(WRITTEN);
    s.note(format!("the card wrote {written} of {BYTES} bytes of the {name}"));
    s.hazard(format!("the card writes the {name} by DMA"), done.is_ok() && written > 0);
    s.holds("reference counts unchanged", buffer.observer.unchanged(&[&buffer.fd], &before)?);
    Ok(())
}

/// Attaches the card, lets it copy the whole buffer in one direction, and detaches it. Inside is the errno of what the card was refused.
fn dma(
    s: &mut Steps,
    card: &File,
    buffer: &ReadOnlyBuffer,
    (direction, text): (Direction, &str),
    data: &mut [u8],
) -> CaseResult<Result<(), Errno>> {
    let fd = &buffer.fd;
    let attach = || edu::attach(card.as_fd(), fd.as_fd(), direction);
    let attached = s.call(format!("edu_attach({}, {text})", fd.name), |()| "mapped".into(), attach);
    if attached.is_err() {
        return Ok(attached);
    }
    s.note_held("the card", &buffer.observer, &fd.name)?;
    let copied = s.call("edu_copy()", |()| "done".into(), || edu::copy(card.as_fd(), data));
    let detached = s.call("edu_detach()", |()| "ok".into(), || edu::detach(card.as_fd()));
    detached.or_broken("detaching the card")?;
    Ok(copied)
}
