//! The name of a buffer.

use std::fs;

use crate::prelude::*;

case! {
    /// A name that is set through the primary or a read-write alias is visible through every descriptor, in fdinfo and
    /// in /proc/self/maps. The last name that was set is the one that counts, and a name that is too long changes
    /// nothing.
    "I-4", Contract, Exporter::MAIN, [], [ALIASES, DUPLICATES]
}

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let primary = s.export(on.exporter, 1)?.primary;
    let descriptors = s.descriptors_of(on.fds(), primary)?;
    let all = descriptors.all();
    for (fd, name) in [(&descriptors.primary, c"producer"), (&descriptors.read_write, c"by-another")] {
        let text = name.to_string_lossy();
        let result = s.call(format!("set_name({}, {text})", fd.name), |()| "ok".into(), || set_name(fd.as_fd(), name));
        s.succeeds(format!("{} can be named", fd.name), result)?;
        shows(s, &all, &text);
    }
    // DMA_BUF_NAME_LEN is 32 with the final NUL.
    let longer = s.call(
        format!("set_name({}, 32 letters)", descriptors.read_write.name),
        |()| "ok".into(),
        || set_name(descriptors.read_write.as_fd(), c"abcdefghijklmnopqrstuvwxyzabcdef"),
    );
    s.fails_with("a name of 32 letters gives EINVAL", &longer, Errno::EINVAL);
    shows(s, &all, "by-another");
    Ok(())
}

/// Checks the name through each descriptor.
pub(super) fn shows(s: &mut Steps, fds: &[&Fd], name: &str) {
    for fd in fds {
        let in_fdinfo = fdinfo(fd).map(|info| info.name.unwrap_or_default());
        s.equal(format!("name in fdinfo of {}", fd.name), in_fdinfo, Ok(name.to_string()));
        s.equal(format!("name in /proc/self/maps of {}", fd.name), name_in_maps(fd), Ok(name.to_string()));
    }
}

/// What the path of a mapping of `fd` in /proc/self/maps says behind the colon (dmabuffs_dname).
fn name_in_maps(fd: &Fd) -> Result<String, Errno> {
    let mapping = memory::map(fd.as_fd(), PAGE, libc::PROT_READ, libc::MAP_SHARED, 0)?;
    let maps = fs::read_to_string("/proc/self/maps").map_err(io_errno)?;
    let start = format!("{:x}-", mapping.address());
    let line = maps.lines().find(|line| line.trim_start_matches('0').starts_with(&start)).ok_or(Errno::ENODATA)?;
    let path = line.split_whitespace().nth(5).unwrap_or_default();
    Ok(path.split_once(':').map_or(path, |(_, name)| name).to_string())
}
