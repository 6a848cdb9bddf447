//! Closing a descriptor, a duplicate, a mapping and an import of a buffer in every order.

use crate::prelude::*;

case! {
    /// Without any alias: the exporter's release callback runs once, after the last of descriptor, duplicate, mapping
    /// and attached importer is gone, in each of the 24 orders. Until then the buffer is on the global list exactly
    /// once.
    "L-1", Contract, Exporter::WITH_DEVICES, [TestImporter],
    relies on [Importing, Listing]
}

const NAMES: [&str; 4] = ["descriptor", "duplicate", "mapping", "importer"];

/// What keeps a buffer alive.
enum Holder<'a> {
    Descriptor(#[allow(dead_code)] Fd),
    Mapped(#[allow(dead_code)] Mapping),
    Imported(Staged<'a>),
}

impl Holder<'_> {
    fn let_go(self) -> nix::Result<()> {
        match self {
            Holder::Imported(import) => import.undo(false),
            Holder::Descriptor(_) | Holder::Mapped(_) => Ok(()),
        }
    }
}

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    for order in permutations(4) {
        let names = order.iter().map(|index| NAMES[*index]).collect::<Vec<_>>().join(", ");
        let found = in_order(on.exporter, &order)?;
        if !s.holds(format!("releasing {names}: buffer released once, at the end"), found) {
            return Ok(());
        }
    }
    Ok(())
}

fn in_order(exporter: Exporter, order: &[usize]) -> CaseResult<Result<(), String>> {
    let primary = export(exporter, 1).or_broken("export of a buffer")?.primary;
    let observer = BufferObserver::start_with_list(&primary)?;
    let duplicate = Fd::new(NAMES[1], primary.quiet_dup().or_broken("dup")?);
    let mapping = memory::map(primary.as_fd(), PAGE, libc::PROT_READ, libc::MAP_SHARED, 0);
    let mapping = mapping.or_broken("mmap")?;
    let import = Staged::new(observer.importer(), &primary, 2).or_broken("importing a buffer")?;
    let mut holders = [
        Some(Holder::Descriptor(primary)),
        Some(Holder::Descriptor(duplicate)),
        Some(Holder::Mapped(mapping)),
        Some(Holder::Imported(import)),
    ];
    for index in order {
        if let Err(wrong) = observer.alive()? {
            return Ok(Err(format!("before releasing {}: {wrong}", NAMES[*index])));
        }
        if let Some(holder) = holders[*index].take() {
            holder.let_go().or_broken("undoing an import")?;
        }
    }
    Ok(observer.gone()?.map_err(|wrong| format!("at the end: {wrong}")))
}
