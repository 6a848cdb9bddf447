//! A reader of the policy that has a writable descriptor.

use crate::prelude::*;

case! {
    /// The policy does not permit the reader to write to buffers, but it has a writable descriptor: it was forked with a read-write
    /// alias, or exported a read-only alias again that it imported into vgem. It maps it for writing, and adds write access
    /// to a mapping for reading. The same for the primary.
    "S-3", Hazard("selinux_mmap_file() and selinux_file_mprotect() ask nothing about a file whose inode is private"),
    Exporter::HEAP, [Selinux], [ALIASES.needing(&[Need::Derive, Need::Vgem]), EXPORTED]
}

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let mut selinux = Confinement::start()?;
    let primary = s.export(on.exporter, 1)?.primary;
    s.policy_is_in_force(&mut selinux, &primary)?;
    if on.fds() == FdKind::Exported {
        return judge(s, &mut selinux, &primary);
    }
    let writer = s.must_derive("RW alias", &primary, RDWR)?;
    judge(s, &mut selinux, &writer)?;

    let reader = s.must_derive("RO alias", &primary, RDONLY)?;
    let text = "imports the RO alias into vgem, exports it, and mmap(RW, SHARED)";
    let again = s.attempt(&mut selinux, READER, text, || {
        let vgem = Vgem::open().map_err(|_| Errno::ENODEV)?;
        let handle = vgem.quiet_import(&reader)?;
        map_for_writing(&vgem.quiet_export("descriptor from vgem", &handle, RDWR)?)
    })?;
    s.unstopped("what vgem exports is mapped for writing", &again, "write", Errno::EACCES);
    Ok(())
}

fn judge(s: &mut Steps, selinux: &mut Confinement, fd: &Fd) -> CaseResult {
    let seen = memory::map(fd.as_fd(), PAGE, libc::PROT_READ, libc::MAP_SHARED, 0).or_broken("mapping a buffer")?;
    let mapped = s.attempt(selinux, READER, &format!("mmap({}, RW, SHARED)", fd.name), || map_for_writing(fd))?;
    s.unstopped(format!("the {} is mapped for writing", fd.name), &mapped, "write", Errno::EACCES);
    let text = format!("mprotect(RW) of a mapping of the {}", fd.name);
    let protected = s.attempt(selinux, READER, &text, || seen.protect(RW))?;
    s.unstopped("the mapping is made writable", &protected, "write", Errno::EACCES);
    Ok(())
}

fn map_for_writing(fd: &Fd) -> Result<(), Errno> {
    memory::map(fd.as_fd(), PAGE, RW, libc::MAP_SHARED, 0).map(drop)
}
