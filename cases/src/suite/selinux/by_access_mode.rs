//! A policy that permits to read buffers and not to write to them.

use crate::prelude::*;

case! {
    /// The policy permits a reader to read the files of buffers, and not to write to them. The reader receives a read-only alias as it
    /// should, and also the primary and a read-write alias, which the same domain opened. The same for heap buffers exported
    /// O_RDONLY and O_RDWR.
    "S-2", Hazard("selinux_file_receive() asks for the access mode of the file, but not if its inode is private"),
    Exporter::HEAP, [TestImporter, Selinux], [ALIASES, EXPORTED]
}

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let mut selinux = Confinement::start()?;
    let (reader, writers) = if on.fds() == FdKind::Alias {
        let primary = s.export(on.exporter, 1)?.primary;
        let reader = s.must_derive("RO alias", &primary, RDONLY)?;
        let writer = s.must_derive("RW alias", &primary, RDWR)?;
        (reader, vec![primary, writer])
    } else {
        (s.heap_export("RO heap buffer", 1, RDONLY)?, vec![s.heap_export("RW heap buffer", 1, RDWR)?])
    };
    s.policy_is_in_force(&mut selinux, &reader)?;

    let received = s.attempt_receive(&mut selinux, READER, &reader)?;
    s.succeeds(format!("the reader gets the {}", reader.name), received.result)?;
    for writer in &writers {
        let received = s.attempt_receive(&mut selinux, READER, writer)?;
        s.unstopped(format!("the reader gets the {} too", writer.name), &received, "write", NOT_RECEIVED);
    }
    Ok(())
}
