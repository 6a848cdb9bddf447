//! Making a read-only mapping of a read-write alias writable.

use crate::prelude::*;

case! {
    /// A read-only mapping of a read-write alias, or of an alias of one, can be made writable by mprotect, like a
    /// mapping of the primary, and data written to it is in the buffer.
    "R-3", Contract, Exporter::MAIN, [Derive]
}

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let primary = s.export(on.exporter, 1)?.primary;
    let alias = s.must_derive("RW alias", &primary, RDWR)?;
    let second = s.must_derive("RW alias of RW alias", &alias, RDWR)?;
    for (fd, byte) in [(&alias, 31), (&second, 32)] {
        let mapping = s.mmap(fd, PAGE, libc::PROT_READ, libc::MAP_SHARED);
        let mapping = s.succeeds(format!("{} can be mapped for reading", fd.name), mapping)?;
        let raised = s.call("mprotect(RW)", |()| "ok".into(), || mapping.protect(RW));
        s.succeeds(format!("{}: mprotect of its mapping to RW succeeds", fd.name), raised)?;
        (0..PAGE).for_each(|offset| mapping.write(offset, byte));
        let seen = s.mmap(&primary, PAGE, libc::PROT_READ, libc::MAP_SHARED);
        let seen = s.succeeds("the primary can be mapped for reading", seen)?.read(PAGE - 1);
        s.equal(format!("data written through {} is visible through the primary", fd.name), seen, byte);
    }
    Ok(())
}
