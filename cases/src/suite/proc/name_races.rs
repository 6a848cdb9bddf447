//! A name that changes while it is read.

use std::fs;

use crate::prelude::*;

case! {
    /// While one processor names a buffer again and again, another one reads its name by readlink, fdinfo and bufinfo:
    /// it always sees one of the names that were set, as a whole. Two processors can also set names at once.
    "PROC-1", Contract, Exporter::HEAP, [Bufinfo, TwoProcessors], [ALIASES, DUPLICATES],
    relies on [Listing]
}

const ROUNDS: usize = 100;
/// Names that one processor sets while the other one reads once: about as long as a read takes.
const NAMES_PER_READ: usize = 4;
const NAMES: [&std::ffi::CStr; 2] = [c"short", c"a-name-of-thirty-one-letters-xx"];

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let primary = s.export(on.exporter, 1)?.primary;
    let descriptors = s.descriptors_of(on.fds(), primary)?.into_vec();
    set_name(descriptors[0].as_fd(), NAMES[0]).or_broken("naming the buffer")?;
    let (_, inode) = identity(&descriptors[0]).or_broken("fstat")?;
    let rename = || {
        let mut names = NAMES.iter().rev().cycle().take(NAMES_PER_READ);
        names.try_for_each(|name| set_name(descriptors[1].as_fd(), name))
    };
    // EILSEQ says that another name was seen.
    let known = |name: &str| match NAMES.iter().any(|known| known.to_str() == Ok(name)) {
        true => Ok(()),
        false => Err(Errno::EILSEQ),
    };
    let path = format!("/proc/self/fd/{}", descriptors[3].number());
    let link = || {
        let link = fs::read_link(&path).map_err(io_errno)?;
        known(link.to_string_lossy().split_once(':').map_or("", |(_, name)| name))
    };
    let shown = || known(&fdinfo(&descriptors[2])?.name.unwrap_or_default());
    let listed = || names_in_bufinfo(inode)?.iter().try_for_each(|name| known(name));
    // One after the other: a name is freed within microseconds, and a reader has to look just then.
    s.holds("readlink always shows one of the names", race(ROUNDS, rename, link));
    s.holds("fdinfo always shows one of the names", race(ROUNDS, rename, shown));
    s.holds("bufinfo always shows one of the names", race(ROUNDS / 2, rename, listed));
    s.holds("two processors set names", race(ROUNDS, rename, rename));
    Ok(())
}
