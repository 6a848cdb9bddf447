//! What the producer can do while it makes aliases.

use crate::prelude::*;
use crate::suite::rights::mmap_table::shared;

case! {
    /// While aliases are made, mapped, derived from and closed, the primary stays O_RDWR, can be mapped in every way,
    /// and O_RDWR can be derived from it. A writable mapping that existed before stays writable and shared with the
    /// aliases.
    "R-10", Contract, Exporter::MAIN, [Derive]
}

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let primary = s.export(on.exporter, 2)?.primary;
    let before = s.mmap(&primary, 2 * PAGE, RW, libc::MAP_SHARED);
    let before = s.succeeds("the primary can be mapped RW", before)?;
    keeps(s, &primary, &before, "without aliases", 20)?;

    let alias = s.must_derive("RO alias", &primary, RDONLY)?;
    keeps(s, &primary, &before, "with a read-only alias", 21)?;
    let mapping = s.mmap(&alias, 2 * PAGE, libc::PROT_READ, libc::MAP_SHARED);
    let mapping = s.succeeds("the alias can be mapped R", mapping)?;
    let second = s.must_derive("alias of RO alias", &alias, RDONLY)?;
    keeps(s, &primary, &before, "with the alias mapped and derived from", 22)?;
    let shown = (0..2).all(|page| mapping.read(page * PAGE) == pattern(page, 22));
    s.check("data written to the old mapping is visible in the alias's mapping", shown, "it is not");

    drop(mapping);
    s.close(alias);
    s.close(second);
    keeps(s, &primary, &before, "with the aliases closed", 23)
}

fn keeps(s: &mut Steps, primary: &Fd, before: &Mapping, when: &str, seed: u8) -> CaseResult {
    s.note(format!("{when}:"));
    let mode = fcntl(primary.number(), libc::F_GETFL, 0).map(|flags| flags & libc::O_ACCMODE);
    s.equal(format!("{when}: the primary is O_RDWR"), mode, Ok::<_, Errno>(libc::O_RDWR));
    shared(s, primary, "ok", "ok");
    let derived = s.derive("RW alias", primary, RDWR).map(drop);
    s.succeeds(format!("{when}: O_RDWR can be derived"), derived)?;
    let round = before.protect(libc::PROT_READ).and_then(|()| before.protect(RW));
    s.succeeds(format!("{when}: the old mapping goes to R and back to RW"), round)?;
    (0..2).for_each(|page| {
        before.write(page * PAGE, pattern(page, seed));
        before.write(page * PAGE + PAGE - 1, pattern(page, seed));
    });
    s.check_pattern(primary, 2 * PAGE, seed)?;
    Ok(())
}
