//! Names of a buffer that importers use.

use std::ffi::{CStr, CString};

use crate::prelude::*;

case! {
    /// SET_NAME succeeds and fdinfo shows the name at every stage of an import by the test importer, with a device attached,
    /// mapped, waiting for a fence and in a CPU access, and while vgem has the buffer.
    "PROC-1", Contract, Exporter::MAIN, [TestImporter, Vgem], [DUPLICATES, ALIASES.only_on(Exporter::HEAP)],
    relies on [Importing]
}

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let primary = s.export(on.exporter, 1)?.primary;
    // Whether a read-only alias may set the name is for a record to say.
    let second = s.alias_or_duplicate(on.fds(), "RW alias", &primary, RDWR)?;
    let named = |name: &CStr| {
        [&primary, &second].into_iter().enumerate().try_for_each(|(index, fd)| {
            let name = CString::new(format!("{}-{index}", name.to_string_lossy())).map_err(|_| "no name")?;
            set_name(fd.as_fd(), &name).map_err(|errno| format!("{}: {}", fd.name, errno_name(errno)))?;
            let shown = fdinfo(&second).map_err(gave)?.name.unwrap_or_default();
            ensure(name.to_str() == Ok(&shown), || format!("{}: fdinfo shows {shown:?}", fd.name))
        })
    };
    let importer = Importer::open().or_broken("opening the test importer")?;
    for (depth, stage) in STAGES.iter().enumerate() {
        let import = Staged::new(&importer, &second, depth + 1).or_broken("an import")?;
        let found = named(c"importer");
        import.undo(false).or_broken("undoing an import")?;
        s.holds(format!("an importer is at the stage {stage}: the buffer can be named"), found);
    }
    let vgem = Vgem::open()?;
    let handle = vgem.quiet_import(&second).or_broken("an import by vgem")?;
    let fence = vgem.attach_fence(&handle, true).or_broken("a fence of vgem")?;
    s.holds("imported by vgem, with its fence pending: the buffer can be named", named(c"vgem"));
    vgem.signal_fence(fence).or_broken("signalling a fence of vgem")?;
    vgem.quiet_close(handle).or_broken("closing a handle")?;
    s.holds("with the imports undone: the buffer can be named", named(c"alone"));
    Ok(())
}
