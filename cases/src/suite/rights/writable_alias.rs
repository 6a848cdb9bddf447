//! What a read-write alias may do with a mapping that it made for reading.

use crate::prelude::*;

case! {
    /// A mapping that was made for reading through a read-write alias, or an alias of one, becomes writable by mprotect, as
    /// one of the primary does, and what is written through it is in the buffer.
    "R-3", Contract, Exporter::MAIN, [Derive]
}

fn run(s: &mut Steps, on: On) -> CaseResult {
    let primary = s.export(on.exporter, 1)?.primary;
    let alias = s.must_derive("RW alias", &primary, RDWR)?;
    let second = s.must_derive("RW alias of RW alias", &alias, RDWR)?;
    for (fd, byte) in [(&alias, 31), (&second, 32)] {
        let mapping = s.mmap(fd, PAGE, libc::PROT_READ, libc::MAP_SHARED);
        let mapping = s.succeeds(format!("{} can be mapped for reading", fd.name), mapping)?;
        let raised = s.call("mprotect(RW)", |()| "ok".into(), || mapping.protect(RW));
        s.succeeds(format!("{}: its mapping goes to RW", fd.name), raised)?;
        (0..PAGE).for_each(|offset| mapping.write(offset, byte));
        let seen = s.mmap(&primary, PAGE, libc::PROT_READ, libc::MAP_SHARED);
        let seen = s.succeeds("the primary can be mapped for reading", seen)?.read(PAGE - 1);
        s.equal(format!("the primary shows what {} wrote", fd.name), seen, byte);
    }
    Ok(())
}
