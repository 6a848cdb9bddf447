//! The BPF iterator over all buffers, when they are more than one read takes.

use std::{collections::BTreeSet, fs::File, io::Read};

use crate::{
    prelude::*,
    uapi::bpf::{ADDRESS_BYTES, BufferIterator},
};

case! {
    /// With a hundred buffers open, the BPF iterator walks each of them once, in whatever pieces it is read. When the buffers are
    /// closed while it is at the first of them, it goes on with the others, and the buffer that it held is released with it.
    "ENUM-1", Contract, Exporter::MAIN, [BpfIterator],
    relies on [Listing]
}

const BUFFERS: usize = 100;

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let iterator = BufferIterator::load().or_broken("loading a program for the iterator")?;
    let before = walk(&iterator, PAGE)?;
    let buffers: Vec<_> =
        (0..BUFFERS).map(|_| export(on.exporter, 1)).collect::<Result<_, _>>().or_broken("export of a buffer")?;
    for piece in [ADDRESS_BYTES, 3 * ADDRESS_BYTES, 1000, 4096] {
        let walked = walk(&iterator, piece)?;
        let distinct: BTreeSet<u64> = walked.iter().copied().collect();
        let twice = ensure(distinct.len() == walked.len(), || {
            format!("{} of {} are walked more than once", walked.len() - distinct.len(), walked.len())
        });
        let number = walked.len().checked_sub(before.len());
        let complete =
            ensure(number == Some(BUFFERS), || format!("{} more than before are walked", number.unwrap_or_default()));
        s.holds(format!("read in pieces of {piece} bytes: every buffer once"), twice.and(complete));
    }

    let mut paused = iterator.open().or_broken("BPF_ITER_CREATE")?;
    let mut first = [0; ADDRESS_BYTES];
    paused.read_exact(&mut first).or_broken("reading the iterator")?;
    drop(buffers);
    let rest = addresses(&mut paused, PAGE)?;
    let left = ensure(rest.len() <= before.len() + 1, || format!("{} buffers, {} before", rest.len(), before.len()));
    s.holds("closed while the iterator is at the first: the others are not walked", left);
    drop(paused);
    let after = walk(&iterator, PAGE)?;
    s.equal("with the iterator closed: buffers as before", after.len(), before.len());
    Ok(())
}

/// The addresses of all buffers, read in pieces of this many bytes.
pub fn walk(iterator: &BufferIterator, piece: usize) -> CaseResult<Vec<u64>> {
    addresses(&mut iterator.open().or_broken("BPF_ITER_CREATE")?, piece)
}

fn addresses(file: &mut File, piece: usize) -> CaseResult<Vec<u64>> {
    let (mut bytes, mut buffer) = (Vec::new(), vec![0; piece]);
    loop {
        match file.read(&mut buffer).or_broken("reading the iterator")? {
            0 => break,
            read => bytes.extend_from_slice(&buffer[..read]),
        }
    }
    let whole = bytes.as_chunks::<ADDRESS_BYTES>().0;
    Ok(whole.iter().map(|address| u64::from_ne_bytes(*address)).collect())
}
