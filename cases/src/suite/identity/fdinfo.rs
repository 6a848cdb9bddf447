//! What fdinfo shows for a buffer.

use crate::prelude::*;

case! {
    /// fdinfo shows the same size, exporter, name and reference count through every descriptor of a buffer, with and
    /// without a name, on the lines that the kernel documentation lists, in this order. Other lines may
    /// follow. The exporter of a heap's buffer has the name of the heap in /dev/dma_heap.
    "I-3", Contract, Exporter::WITH_DEVICES, [], [ALIASES, DUPLICATES]
}

const PAGES: usize = 3;
/// Others may come between them.
const LINES: [&str; 4] = ["size", "count", "exp_name", "name"];

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let primary = s.export(on.exporter, PAGES)?.primary;
    let before = s.succeeds("fdinfo of the primary can be read", fdinfo(&primary))?;
    s.equal("size in bytes", before.size, (PAGES * PAGE) as u64);
    s.equal("name", before.name.clone(), None);
    if on.exporter == Exporter::SystemHeap {
        let heap = SYSTEM_HEAP.rsplit('/').next().unwrap_or_default();
        s.equal("exporter", before.exporter.as_str(), heap);
    }

    let more = if on.fds() == FdKind::Alias { "aliases" } else { "duplicates" };
    let mut descriptors = s.descriptors_of(on.fds(), primary)?.into_vec();
    agree(s, &descriptors, &before, &format!("with three {more}"))?;
    let named = set_name(descriptors[0].as_fd(), c"frame");
    s.succeeds("the primary can be named", named)?;
    for fd in &descriptors {
        let keys = s.succeeds(format!("fdinfo of {} can be read", fd.name), fdinfo_keys(fd))?;
        let of_buffers: Vec<&str> = keys.iter().map(String::as_str).filter(|key| LINES.contains(key)).collect();
        let sentence = format!("fdinfo of {} has the lines {} once each", fd.name, LINES.join(" "));
        s.check(sentence, of_buffers == LINES, keys.join(" "));
    }
    let with = FdInfo { name: Some("frame".into()), ..before };
    agree(s, &descriptors, &with, "with a name")?;
    s.close(descriptors.remove(2));
    agree(s, &descriptors, &with, &format!("with one of the {more} closed"))?;
    s.close(descriptors.remove(0));
    agree(s, &descriptors, &with, "with the primary closed")
}

fn agree(s: &mut Steps, fds: &[Fd], want: &FdInfo, when: &str) -> CaseResult {
    let first = s.succeeds(format!("{when}: fdinfo can be read"), fdinfo(&fds[0]))?.count;
    for fd in fds {
        let got = s.succeeds(format!("{when}: fdinfo of {} can be read", fd.name), fdinfo(fd))?;
        s.equal(
            format!("{when}: size, exporter and name through {}", fd.name),
            (got.size, got.exporter, got.name),
            (want.size, want.exporter.clone(), want.name.clone()),
        );
        let detail = format!("{}, and {first} through {}", got.count, fds[0].name);
        s.check(format!("{when}: count through {} as through the others", fd.name), got.count == first, detail);
    }
    Ok(())
}
