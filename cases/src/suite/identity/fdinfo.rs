//! What fdinfo shows for a buffer.

use crate::prelude::*;

case! {
    /// fdinfo shows the same size, exporter, name and reference count through every descriptor of a buffer, with and
    /// without a name, on the lines that the kernel documentation lists. The count grows with every alias and shrinks
    /// when one is closed.
    "I-3", Contract, Exporter::MAIN, [], [ALIASES, DUPLICATES]
}

const PAGES: usize = 3;

fn run(s: &mut Steps, on: On) -> CaseResult {
    let primary = s.export(on.exporter, PAGES)?.primary;
    let before = s.succeeds("fdinfo of the primary can be read", fdinfo(&primary))?;
    s.equal("size in bytes", before.size, (PAGES * PAGE) as u64);
    s.equal("name", before.name.clone(), None);

    let more = if on.fds() == FdKind::Alias { "aliases" } else { "duplicates" };
    let mut family = s.family_of(on.fds(), primary)?.into_vec();
    let with = FdInfo { count: before.count + 3, ..before };
    agree(s, &family, &with, &format!("with three {more}"))?;
    let named = set_name(family[0].as_fd(), c"frame");
    s.succeeds("the primary can be named", named)?;
    for fd in &family {
        let keys = s.succeeds(format!("fdinfo of {} can be read", fd.name), fdinfo_keys(fd))?;
        s.equal(
            format!("dma-buf lines in fdinfo of {}, in order", fd.name),
            keys.join(" ").as_str(),
            "size count exp_name name",
        );
    }
    let with = FdInfo { name: Some("frame".into()), ..with };
    agree(s, &family, &with, "with a name")?;
    s.close(family.remove(2));
    agree(s, &family, &FdInfo { count: with.count - 1, ..with.clone() }, &format!("with one of the {more} closed"))?;
    s.close(family.remove(0));
    // The aliases keep the primary's file: only the reference of the descriptor is gone.
    agree(s, &family, &FdInfo { count: with.count - 2, ..with }, "with the primary closed")
}

fn agree(s: &mut Steps, fds: &[Fd], want: &FdInfo, when: &str) -> CaseResult {
    for fd in fds {
        let got = s.succeeds(format!("{when}: fdinfo of {} can be read", fd.name), fdinfo(fd))?;
        s.equal(
            format!("{when}: size, exporter and name through {}", fd.name),
            (got.size, got.exporter, got.name),
            (want.size, want.exporter.clone(), want.name.clone()),
        );
        let detail = format!("expected {1}, got {0}", got.count, want.count);
        s.check(
            format!("{when}: count through {} is one for each descriptor", fd.name),
            got.count == want.count,
            detail,
        );
    }
    Ok(())
}
