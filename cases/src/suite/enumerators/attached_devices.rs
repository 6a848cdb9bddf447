//! The devices that bufinfo lists under a buffer.

use crate::prelude::*;

case! {
    /// Under each buffer bufinfo names the devices that are attached to it, once for each attachment, and no other, and the sum
    /// below them agrees, after every attach and detach; another buffer has none.
    "ENUM-1", Contract, Exporter::MAIN, [Bufinfo, TestImporter, Vgem], [EXPORTED, ALIASES.only_on(Exporter::HEAP)],
    relies on [Listing, Importing]
}

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let primary = s.export(on.exporter, 1)?.primary;
    let idle = export(on.exporter, 1).or_broken("export of a buffer")?.primary;
    let (inode, other) = (inode(&primary)?, inode(&idle)?);
    let alias = s.alias_if(on.fds(), "RW alias", &primary, RDWR)?;
    let fd = alias.as_ref().unwrap_or(&primary);
    let importer = Importer::open().or_broken("opening the test importer")?;
    let vgem = Vgem::open()?;
    s.equal("with no importer: devices", devices(inode)?.len(), 0);

    let attach = || {
        let handle = importer.import(fd.number())?;
        importer.attach(handle).map(|()| handle)
    };
    let first = attach().or_broken("attaching")?;
    let one = devices(inode)?;
    s.equal("one attachment of the test importer: devices", one.len(), 1);
    let second = attach().or_broken("attaching")?;
    s.equal("two of them: devices", devices(inode)?, [one.clone(), one.clone()].concat());
    let handle = vgem.quiet_import(fd).or_broken("an import by vgem")?;
    let three = devices(inode)?;
    s.equal("and an import by vgem: devices", three.len(), 3);
    let vgem_name = three.iter().filter(|name| !one.contains(name)).cloned().collect::<Vec<_>>();
    s.equal("the new one is named", vgem_name, vec!["vgem".to_string()]);
    s.equal("another buffer has none", devices(other)?.len(), 0);
    importer.detach(first).or_broken("detaching")?;
    s.equal("one detached: devices", devices(inode)?.len(), 2);
    importer.detach(second).or_broken("detaching")?;
    s.equal("two detached: devices", devices(inode)?, vec!["vgem".to_string()]);
    vgem.quiet_close(handle).or_broken("closing a handle")?;
    s.equal("all detached: devices", devices(inode)?.len(), 0);
    Ok(())
}

fn inode(fd: &Fd) -> CaseResult<u64> {
    Ok(identity(fd).or_broken("fstat")?.1)
}

/// The devices listed under the buffer with this inode number.
fn devices(inode: u64) -> CaseResult<Vec<String>> {
    let text = std::fs::read_to_string(BUFINFO).or_broken(BUFINFO)?;
    let of_buffer = |line: &&str| line.split_whitespace().nth(5).and_then(|word| word.parse().ok()) == Some(inode);
    let mut lines =
        text.lines().skip_while(|line| !of_buffer(line)).skip_while(|line| !line.contains("Attached Devices"));
    lines.next().ok_or("the buffer is not listed").or_broken(BUFINFO)?;
    let mut names = Vec::new();
    for line in lines {
        if let Some(sum) = line.strip_prefix("Total ").and_then(|rest| rest.strip_suffix(" devices attached")) {
            if sum.parse() != Ok(names.len()) {
                names.push(format!("the sum says {sum}"));
            }
            return Ok(names);
        }
        names.push(line.trim().to_string());
    }
    Err("no sum under the buffer").or_broken(BUFINFO)
}
