//! The devices that bufinfo lists under a buffer.

use crate::prelude::*;

case! {
    /// Under each buffer bufinfo names the devices that are attached to it, once for each attachment, and no other, and the sum
    /// below them agrees, after every attach and detach; other buffers have none.
    "ENUM-1", Contract, Exporter::MAIN, [Bufinfo, TestImporter, Vgem], [EXPORTED, ALIASES.only_on(Exporter::HEAP)],
    relies on [Listing, Importing]
}

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    // One before and one behind it on the list.
    let idle = || export(on.exporter, 1).or_broken("export of a buffer").map(|buffer| buffer.primary);
    let older = idle()?;
    let primary = s.export(on.exporter, 1)?.primary;
    let newer = idle()?;
    let inode_of = |fd: &Fd| identity(fd).or_broken("fstat").map(|(_, inode)| inode);
    let (inode, others) = (inode_of(&primary)?, [inode_of(&older)?, inode_of(&newer)?]);
    let alias = s.alias_if(on.fds(), "RW alias", &primary, RDWR)?;
    let fd = alias.as_ref().unwrap_or(&primary);
    let importer = Importer::open().or_broken("opening the test importer")?;
    let vgem = Vgem::open()?;
    s.equal("with no importer: devices", devices_in_bufinfo(inode)?.len(), 0);

    let attach = || {
        let handle = importer.import(fd.number())?;
        importer.attach(handle).map(|()| handle)
    };
    let first = attach().or_broken("attaching")?;
    let one = devices_in_bufinfo(inode)?;
    s.equal("one attachment of the test importer: devices", one.len(), 1);
    let second = attach().or_broken("attaching")?;
    s.equal("two of them: devices", devices_in_bufinfo(inode)?, [one.clone(), one.clone()].concat());
    let handle = vgem.quiet_import(fd).or_broken("an import by vgem")?;
    let three = devices_in_bufinfo(inode)?;
    s.equal("and an import by vgem: devices", three.len(), 3);
    let vgem_name = three.iter().filter(|name| !one.contains(name)).cloned().collect::<Vec<_>>();
    s.equal("the new one is named", vgem_name, vec!["vgem".to_string()]);
    let of_others = [devices_in_bufinfo(others[0])?.len(), devices_in_bufinfo(others[1])?.len()];
    s.equal("an older and a newer buffer have none", of_others, [0, 0]);
    importer.detach(first).or_broken("detaching")?;
    s.equal("one detached: devices", devices_in_bufinfo(inode)?.len(), 2);
    importer.detach(second).or_broken("detaching")?;
    s.equal("two detached: devices", devices_in_bufinfo(inode)?, vec!["vgem".to_string()]);
    vgem.quiet_close(handle).or_broken("closing a handle")?;
    s.equal("all detached: devices", devices_in_bufinfo(inode)?.len(), 0);
    Ok(())
}
