//! A name that changes while it is read.

use std::fs;

use crate::prelude::*;

case! {
    /// While one processor names a buffer again and again, another one reads its name by readlink, fdinfo and bufinfo:
    /// it always sees one of the names that were set, as a whole.
    "PROC-1", Contract, Exporter::HEAP, [Bufinfo], [ALIASES, DUPLICATES],
    relies on [Listing]
}

const ROUNDS: usize = 60;
const NAMES: [&std::ffi::CStr; 2] = [c"short", c"a-name-of-thirty-one-letters-xx"];

fn run(s: &mut Steps, on: On) -> CaseResult {
    let primary = s.export(on.exporter, 1)?.primary;
    let family = s.family_of(on.fds(), primary)?.into_vec();
    set_name(family[0].as_fd(), NAMES[0]).or_broken("naming the buffer")?;
    let (_, inode) = identity(&family[0]).or_broken("fstat")?;
    let rename = || NAMES.iter().rev().try_for_each(|name| set_name(family[1].as_fd(), name));
    let known = |name: &str| NAMES.iter().any(|known| known.to_str() == Ok(name));
    let look = || {
        let link = fs::read_link(format!("/proc/self/fd/{}", family[3].number())).map_err(io_errno)?;
        let linked = link.to_string_lossy().split_once(':').is_some_and(|(_, name)| known(name));
        let shown = fdinfo(&family[2])?.name.is_some_and(|name| known(&name));
        let listed = names_in_bufinfo(inode)?.iter().all(|name| known(name));
        if linked && shown && listed { Ok(()) } else { Err(Errno::EILSEQ) }
    };
    // EILSEQ says that another name was seen.
    s.holds("every reader sees one of the names", race(ROUNDS, rename, look));
    Ok(())
}
