//! How often the BPF iterator over all buffers walks a buffer that has aliases.

use super::super::enumerators::iterator::walk;
use crate::{prelude::*, uapi::bpf::BufferIterator};

case! {
    /// The BPF iterator walks a buffer once: without aliases, with three, and as long as one of its descriptors is open; and not
    /// after the last close.
    "I-5", Contract, Exporter::WITH_DEVICES, [BpfIterator], [ALIASES, DUPLICATES],
    relies on [Closing, Listing]
}

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let iterator = BufferIterator::load().or_broken("loading a program for the iterator")?;
    let before = walk(&iterator, PAGE)?.len();
    let more = || CaseResult::Ok(walk(&iterator, PAGE)?.len().wrapping_sub(before));
    let primary = s.export(on.exporter, 2)?.primary;
    s.equal("exported: buffers more than before", more()?, 1);
    let descriptors = s.descriptors_of(on.fds(), primary)?.into_vec();
    s.equal("with three more descriptors: buffers more than before", more()?, 1);
    let last = descriptors.len() - 1;
    for (closed, fd) in descriptors.into_iter().enumerate() {
        s.close(fd);
        let left = last - closed;
        s.equal(format!("with {left} descriptors left: buffers more than before"), more()?, left.min(1));
    }
    Ok(())
}
