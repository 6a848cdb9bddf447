//! The access mode of a PRIME handle that is exported more than once.

use crate::prelude::*;

case! {
    /// Records what happens when a handle is exported read-only and read-write, in either order, for a buffer of vgem
    /// and for an imported heap buffer of each mode: the mode of each descriptor, and whether both are one open file.
    /// The first export of a buffer decides the mode of all.
    "H-2", Record, Exporter::HEAP, [Vgem],
    relies on [Importing]
}

fn run(s: &mut Steps, _: CaseParams) -> CaseResult {
    let vgem = Vgem::open()?;
    for order in [[RDONLY, RDWR], [RDWR, RDONLY]] {
        let handle = vgem.quiet_create().or_broken("creating a buffer of vgem")?;
        record(s, &vgem, &handle, "vgem buffer", order)?;
        vgem.quiet_close(handle).or_broken("closing a handle")?;
    }
    for (name, mode) in [("O_RDONLY heap buffer", libc::O_RDONLY), ("O_RDWR heap buffer", libc::O_RDWR)] {
        let fd = s.heap_export(name, 1, (mode | libc::O_CLOEXEC) as u32)?;
        let handle = s.vgem_import(&vgem, &fd);
        let handle = s.succeeds(format!("vgem imports the {name}"), handle)?;
        record(s, &vgem, &handle, name, [RDONLY, RDWR])?;
        vgem.quiet_close(handle).or_broken("closing a handle")?;
    }
    Ok(())
}

fn record(s: &mut Steps, vgem: &Vgem, handle: &VgemHandle, what: &str, order: [u32; 2]) -> CaseResult {
    let export = |flags| vgem.quiet_export("exported", handle, flags).or_broken("exporting");
    let (first, second) = (export(order[0])?, export(order[1])?);
    for (fd, flags, turn) in [(&first, order[0], "first"), (&second, order[1], "then")] {
        s.note(format!("{what}, {turn} requested {}: F_GETFL {}", flags_text(flags), told(fd)));
    }
    let same = same_description(first.number(), second.number()).or_broken("kcmp")?;
    s.note(format!("{what}: {}", if same { "one open file" } else { "two open files" }));
    drop((first, second));
    let again = export(order[1])?;
    s.note(format!("{what}, both closed, requested {}: F_GETFL {}", flags_text(order[1]), told(&again)));
    Ok(())
}

fn told(fd: &Fd) -> String {
    fcntl(fd.number(), libc::F_GETFL, 0).map_or_else(errno_name, |flags| flags_text(flags as u32))
}
