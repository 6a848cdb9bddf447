//! Which seals a memfd accepts once it backs a udmabuf, and what they do to the buffer.

use nix::{
    fcntl::{FcntlArg, SealFlag, fcntl},
    sys::uio::{pread, pwrite},
    unistd::ftruncate,
};

use crate::prelude::*;

case! {
    /// Records which seals the memfd accepts after UDMABUF_CREATE, whether its size can change, what can be written to
    /// it and to the buffer with each seal set, and which seals it accepts once the buffer is gone.
    "I-7", Record, &[Exporter::Udmabuf], [],
    relies on [Listing]
}

const SEALS: [(&str, SealFlag); 4] = [
    ("F_SEAL_GROW", SealFlag::F_SEAL_GROW),
    ("F_SEAL_WRITE", SealFlag::F_SEAL_WRITE),
    // Since Linux 5.1; nix has no name for it.
    ("F_SEAL_FUTURE_WRITE", SealFlag::from_bits_retain(0x10)),
    ("F_SEAL_SEAL", SealFlag::F_SEAL_SEAL),
];

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let buffer = s.export(on.exporter, 2)?;
    let memfd = &buffer.memfds[0];
    let held = memory::map(buffer.primary.as_fd(), PAGE, RW, libc::MAP_SHARED, 0);
    let held = held.or_broken("mapping a buffer")?;
    for (name, seal) in SEALS {
        let sealed = fcntl(memfd, FcntlArg::F_ADD_SEALS(seal));
        s.note(format!("{name}: {}", outcome_name(&sealed)));
        let written = pwrite(memfd, b"x", 0);
        let grown = ftruncate(memfd, (4 * PAGE) as i64).and_then(|()| ftruncate(memfd, (2 * PAGE) as i64));
        let mapped = memory::map(memfd.as_fd(), PAGE, RW, libc::MAP_SHARED, 0);
        s.note(format!(
            "  memfd: write {}, grow and shrink {}, map for writing {}",
            outcome_name(&written),
            outcome_name(&grown),
            outcome_name(&mapped)
        ));
        let again = memory::map(buffer.primary.as_fd(), PAGE, RW, libc::MAP_SHARED, 0);
        held.write(1, held.read(1).wrapping_add(1));
        let mut seen = [0];
        pread(memfd, &mut seen, 1).or_broken("reading a memfd")?;
        let reaches = if seen[0] == held.read(1) { "reaches" } else { "does not reach" };
        let again = outcome_name(&again);
        s.note(format!("  buffer: map for writing {again}, a write to the old mapping {reaches} the memfd"));
    }
    let second = s.export(on.exporter, 2)?;
    drop(second.primary);
    let sealed = fcntl(&second.memfds[0], FcntlArg::F_ADD_SEALS(SealFlag::F_SEAL_WRITE));
    s.note(format!("F_SEAL_WRITE once the buffer is closed: {}", outcome_name(&sealed)));
    Ok(())
}
