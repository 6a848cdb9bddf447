//! A buffer that a display imports through a read-write and through a read-only descriptor.

use crate::prelude::*;

case! {
    /// An open file of vkms imports a buffer through its primary and then through a read-only alias: it has one handle for the buffer,
    /// and what it exports for the alias is open for writing. In another open file the alias comes first, and the primary still gets
    /// all its rights.
    "H-2", Hazard("PRIME looks up handles by the buffer, which has no access mode"),
    Exporter::MAIN, [Derive, TestImporter, Display],
    relies on [Importing]
}

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let primary = s.export(on.exporter, 1)?.primary;
    let observer = BufferObserver::start(&primary)?;
    let alias = s.must_derive("RO alias", &primary, RDONLY)?;
    let before = observer.counts(&[&primary, &alias])?;

    let first = Vgem::vkms()?;
    let writer = s.vgem_import(&first, &primary);
    let writer = s.about("C-4").succeeds("vkms imports the primary", writer)?;
    let reader = s.vgem_import(&first, &alias);
    match &reader {
        Err(_) => s.hazard("vkms imports the RO alias", false),
        Ok(reader) => {
            for flags in [RDONLY, RDWR] {
                let again = writable(s, &first, reader, flags)?;
                let asked = flags_text(flags);
                s.hazard(format!("asked for {asked}, it exports the RO alias open for writing"), again == Ok(true));
            }
        }
    }
    let rights = writable(s, &first, &writer, RDWR)?;
    s.control("C-4", "the primary was imported first and has its rights", has_rights(rights));
    drop((writer, reader, first));

    let second = Vgem::vkms()?;
    let reader = s.vgem_import(&second, &alias);
    s.note(format!("vkms imports the RO alias first: {}", outcome_name(&reader)));
    let writer = s.vgem_import(&second, &primary);
    let rights = match &writer {
        Ok(writer) => writable(s, &second, writer, RDWR)?,
        Err(errno) => Err(*errno),
    };
    s.control("C-4", "the RO alias was imported first, and the primary has its rights", has_rights(rights));
    drop((writer, reader, second));
    s.holds("reference counts unchanged", observer.unchanged(&[&primary, &alias], &before)?);
    Ok(())
}

/// Exports a handle, and says whether the descriptor is open for writing.
fn writable(s: &mut Steps, device: &Vgem, handle: &VgemHandle, flags: u32) -> CaseResult<Result<bool, Errno>> {
    let again = s.vgem_export("descriptor from vkms", device, handle, flags);
    let Ok(again) = again else { return Ok(again.map(|_| false)) };
    let importer = Importer::open().or_broken("opening the test importer")?;
    let facts = importer.file_facts(None, again.number()).or_broken("looking at a file")?;
    Ok(Ok(facts.writable))
}

fn has_rights(exported: Result<bool, Errno>) -> Result<(), String> {
    ensure(exported.map_err(gave)?, || "what vkms exports is not open for writing".into())
}
