//! A read-only alias of a device's own buffer, imported by the same device.

use crate::prelude::*;

case! {
    /// vgem exports a buffer of its own, and another open file of vgem imports a read-only alias of it: the handle is the
    /// buffer itself and no import, MODE_MAP_DUMB tells its offset, and mmap(2) there gives a shared writable mapping. The same for a
    /// descriptor that vgem exported O_RDONLY: the limit is older than aliases.
    "H-7", Hazard("drm_gem_prime_import() recognises a buffer of its own device and takes the object, which knows no access mode"),
    Exporter::HEAP, [Vgem], [ALIASES, EXPORTED],
    relies on [Importing, Listing]
}

const PAGES: usize = 2;
const LEN: usize = PAGES * PAGE;

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    through(s, on, Vgem::open)
}

/// The same with another device that makes and imports buffers as vgem does.
pub fn through(s: &mut Steps, on: CaseParams, open: fn() -> CaseResult<Vgem>) -> CaseResult {
    let producer = open()?;
    let name = producer.name;
    let handle = producer.quiet_create_of(PAGES).or_broken("creating a buffer of a device")?;
    let reader = if on.fds() == FdKind::Exported {
        let reader = s.vgem_export(&format!("O_RDONLY {name} buffer"), &producer, &handle, RDONLY);
        reader.or_broken("exporting a buffer of a device")?
    } else {
        let primary = s.vgem_export(&format!("{name} buffer"), &producer, &handle, RDWR);
        let primary = primary.or_broken("exporting a buffer of a device")?;
        let alias = s.must_derive("RO alias", &primary, RDONLY)?;
        s.close(primary);
        alias
    };
    producer.quiet_close(handle).or_broken("closing a handle")?;
    drop(producer);
    judge(s, &reader, &open()?)
}

/// Imports a buffer of a device without a writable descriptor by a file of it that does not know it, maps it and writes to it.
fn judge(s: &mut Steps, reader: &Fd, device: &Vgem) -> CaseResult {
    // Not observed by the test importer: it replaces the operations of the buffer, by which the driver knows its own.
    let writable = s.mmap(reader, LEN, RW, libc::MAP_SHARED);
    s.about("R-3").fails_with(format!("the {} cannot be mapped for writing", reader.name), &writable, Errno::EACCES);
    let seen = memory::map(reader.as_fd(), LEN, libc::PROT_READ, libc::MAP_SHARED, 0);
    let seen = seen.or_broken("mapping a buffer for reading")?;

    let name = device.name;
    let handle = s.vgem_import(device, reader);
    if reader_refused(reader, &handle) {
        s.hazard(format!("another open file of {name} imports the {}", reader.name), false);
        return Ok(());
    }
    let handle = s.succeeds(format!("another open file of {name} imports the {}", reader.name), handle)?;
    let mapping = s.call(
        format!("{name}_map_dumb(handle), mmap({name}, RW, SHARED)"),
        |_| "mapped".into(),
        || device.node_mapping(&handle, PAGES),
    );
    s.hazard("MODE_MAP_DUMB tells an offset, and the node maps the buffer RW there", mapping.is_ok());
    if let Ok(mapping) = mapping {
        s.hazard_of_node(&mapping, 0xe1, &seen, reader);
    }
    let closed = s.vgem_close(device, handle);
    s.succeeds(format!("{name} closes the handle"), closed)?;
    Ok(())
}
