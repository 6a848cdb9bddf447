//! Opening a dma-buf again by its name in procfs.

use nix::fcntl::OFlag;

use crate::prelude::*;

case! {
    /// Opening /proc/self/fd/N of a dma-buf, or of an alias, fails with ENXIO for every access mode.
    "R-7", Contract, Exporter::WITH_DEVICES, [], [EXPORTED, ALIASES]
}

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let primary = s.export(on.exporter, 1)?.primary;
    if on.fds() == FdKind::Exported {
        attack(s, &primary);
        return Ok(());
    }
    let descriptors = s.descriptors(primary)?;
    for fd in [&descriptors.read_write, &descriptors.read_only, &descriptors.second] {
        attack(s, fd);
    }
    Ok(())
}

/// Opens the procfs entry of `fd`, and that of an O_PATH descriptor of it.
fn attack(s: &mut Steps, fd: &Fd) {
    for (mode, name) in [
        (OFlag::O_RDONLY, "O_RDONLY"),
        (OFlag::O_WRONLY, "O_WRONLY"),
        (OFlag::O_RDWR, "O_RDWR"),
        (OFlag::O_RDWR | OFlag::O_TRUNC, "O_RDWR|O_TRUNC"),
    ] {
        let result = reopen(fd.number(), mode);
        s.fails_with(format!("open(/proc/self/fd of {}, {name}) gives ENXIO", fd.name), &result, Errno::ENXIO);
    }
    let by_path = reopen(fd.number(), OFlag::O_PATH).and_then(|path| reopen(path.as_raw_fd(), OFlag::O_RDWR));
    let sentence = format!("open(/proc/self/fd of an O_PATH descriptor of {}, O_RDWR) gives ENXIO", fd.name);
    s.fails_with(sentence, &by_path, Errno::ENXIO);
}
