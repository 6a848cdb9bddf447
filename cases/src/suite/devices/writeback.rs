//! A display that shows a read-only alias, and writes what it shows to it.

use crate::fixture::display::{PAGES, SIZE};
use crate::prelude::*;

case! {
    /// vkms shows a buffer through a read-only alias, which is what the alias is for: the checksum of its frames follows what the
    /// producer writes. Its writeback connector then writes a frame of another buffer through the alias, by a kernel mapping. The same
    /// for a buffer that vgem exported O_RDONLY: the limit is older than aliases.
    "H-4", Hazard("drm_gem_fb_vmap() maps a framebuffer for reading and for writing alike, and dma_buf_vmap() has no read-only variant"),
    Exporter::MAIN, [TestImporter, Display, SwSync, KernelMapping], [ALIASES, EXPORTED.needing(&[Need::Vgem]).only_on(Exporter::HEAP)],
    relies on [Importing]
}

const DARK: u8 = 0x11;
const BRIGHT: u8 = 0xee;
const WRITTEN: u8 = 0xa5;
/// The fourth byte of each pixel has no colour.
const COLOURS: usize = SIZE * SIZE * 3;

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let buffer = s.read_only_buffer(on, "buffer", PAGES, DARK)?;
    let name = buffer.fd.name.clone();
    buffer.observer.needs_kernel_mapping(&buffer.fd)?;
    let before = buffer.observer.counts(&[&buffer.fd])?;
    let display = Display::open()?;
    let own = display.own_frame(WRITTEN)?;

    let imported = s.display_import(&display, &buffer.fd);
    let shown = imported.as_ref().map_err(|errno| gave(*errno)).and_then(|frame| {
        s.display_show(&display, &name, frame).map_err(gave)?;
        s.note_held("vkms", &buffer.observer, &name).map_err(|_| "no facts about the buffer".to_string())?;
        checksums(&display, &buffer).map_err(gave)
    });
    s.control(
        "C-3",
        format!("vkms shows the {name}, and what the producer writes to it"),
        shown.and_then(|[dark, bright, again]| {
            ensure(dark != bright && dark == again, || format!("checksums {dark:x}, {bright:x}, {again:x}"))
        }),
    );
    let Ok(target) = imported else {
        s.hazard(format!("vkms imports the {name}"), false);
        return Ok(());
    };
    s.display_off(&display).or_broken("turning the display off")?;

    let timeline = Timeline::new()?;
    let fence = timeline.next()?;
    let job = s.display_write_back(&display, (&own, fence.as_fd()), &name, &target);
    s.note_held("vkms", &buffer.observer, &name)?;
    timeline.advance()?;
    let done = job.and_then(|written| s.display_wait(&written));
    let bytes = buffer.bytes();
    let colours = bytes.chunks_exact(4).flat_map(|pixel| &pixel[..3]).filter(|byte| **byte == WRITTEN).count();
    s.note(format!("vkms wrote {colours} of {COLOURS} colours of the {name}"));
    s.hazard(format!("vkms writes a frame to the {name}"), done.is_ok() && colours > 0);

    s.display_off(&display).or_broken("turning the display off")?;
    for frame in [target, own] {
        let dropped = s.display_drop(&display, frame);
        s.succeeds("vkms drops the frame", dropped)?;
    }
    drop(display);
    s.holds("reference counts unchanged", buffer.observer.unchanged(&[&buffer.fd], &before)?);
    Ok(())
}

/// The checksums of what is shown while the buffer is dark, bright, and dark again.
fn checksums(display: &Display, buffer: &ReadOnlyBuffer) -> Result<[u32; 3], Errno> {
    let dark = display.checksum()?;
    buffer.produce(BRIGHT);
    let bright = display.checksum()?;
    buffer.produce(DARK);
    Ok([dark, bright, display.checksum()?])
}
