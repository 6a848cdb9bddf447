//! Importing a read-only alias and exporting it again.

use crate::prelude::*;

case! {
    /// With a device that imports dma-bufs, the holder of a read-only alias gets a descriptor with the mode of the
    /// original export: it imports the alias and exports the handle, even if it asks only for reading.
    "H-2", Hazard("dma_buf_fd() installs dmabuf->file, which is the primary"),
    Exporter::WITH_DEVICES, [Derive, Vgem, TestImporter],
    relies on [Importing]
}

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let vgem = Vgem::open()?;
    let primary = s.export(on.exporter, 1)?.primary;
    let alias = s.must_derive("RO alias", &primary, RDONLY)?;
    // The primary is closed, so that the result cannot depend on it.
    s.close(primary);
    s.about("R-3").fails_with("the alias itself cannot be mapped for writing", &write_a_byte(&alias), Errno::EACCES);

    let handle = s.vgem_import(&vgem, &alias);
    if reader_refused(&alias, &handle) {
        s.hazard("vgem imports the alias", false);
        return Ok(());
    }
    let handle = s.succeeds("vgem imports the alias", handle)?;
    let again = s.vgem_export("descriptor from vgem", &vgem, &handle, RDONLY);
    s.hazard("vgem exports it again", again.is_ok());
    if let Ok(again) = &again {
        judge(s, again, &alias)?;
    }
    let closed = s.vgem_close(&vgem, handle);
    s.succeeds("vgem closes the handle", closed)?;
    if let Ok(again) = again {
        s.close(again);
    }

    let importer = Importer::open().or_broken("opening the test importer")?;
    let handle = s.call("import(RO alias)", |_| "handle".into(), || importer.import(alias.number()));
    if reader_refused(&alias, &handle) {
        s.hazard("the test importer imports the alias", false);
        return Ok(());
    }
    let handle = s.succeeds("the test importer imports the alias", handle)?;
    let again = s.call(
        "export(handle, O_RDONLY|O_CLOEXEC)",
        |fd: &Fd| fd.name.clone(),
        || importer.export(handle, RDONLY as i32).map(|fd| Fd::new("descriptor from the test importer", fd)),
    );
    s.hazard("the test importer exports it again", again.is_ok());
    again.map_or(Ok(()), |again| judge(s, &again, &alias))
}

fn judge(s: &mut Steps, again: &Fd, alias: &Fd) -> CaseResult {
    let importer = Importer::open().or_broken("opening the test importer")?;
    let facts = importer.file_facts(None, again.number()).or_broken("looking at a file")?;
    s.note(format!(
        "{}: {}{}",
        again.name,
        if facts.readable { "readable" } else { "not readable" },
        if facts.writable { ", writable" } else { ", not writable" },
    ));
    s.hazard(format!("the {} is open for writing", again.name), facts.writable);
    let before = read_a_byte(alias)?;
    let wrote = write_a_byte(again);
    s.note(format!("writing through it: {}", outcome_name(&wrote)));
    s.hazard("data written through it is visible through the alias", read_a_byte(alias)? != before);
    Ok(())
}

/// Adds one to the first byte.
fn write_a_byte(fd: &Fd) -> Result<(), Errno> {
    let mapping = memory::map(fd.as_fd(), PAGE, RW, libc::MAP_SHARED, 0)?;
    mapping.write(0, mapping.read(0).wrapping_add(1));
    Ok(())
}

fn read_a_byte(fd: &Fd) -> CaseResult<u8> {
    let mapping = memory::map(fd.as_fd(), PAGE, libc::PROT_READ, libc::MAP_SHARED, 0);
    Ok(mapping.or_broken("mapping an alias")?.read(0))
}
