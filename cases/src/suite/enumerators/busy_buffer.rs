//! A buffer that is used while the list of buffers is read.

use crate::prelude::*;

case! {
    /// While one processor polls a buffer again and again, which locks the buffer each time, another one reads bufinfo: the buffer is
    /// listed once every time.
    "ENUM-1", Contract, Exporter::HEAP, [Bufinfo, TwoProcessors],
    relies on [Listing]
}

const ROUNDS: usize = 60;
/// Polls while the list is read once: about as long as a read takes.
const POLLS_PER_READ: usize = 20;

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let primary = s.export(on.exporter, 1)?.primary;
    let (_, inode) = identity(&primary).or_broken("fstat")?;
    let used = || (0..POLLS_PER_READ).try_for_each(|_| poll_now(&primary).map(drop));
    // EILSEQ says that it was listed another number of times.
    let listed = || match times_listed(inode)? {
        1 => Ok(()),
        _ => Err(Errno::EILSEQ),
    };
    s.holds("bufinfo always lists the buffer once", race(ROUNDS, used, listed));
    Ok(())
}
