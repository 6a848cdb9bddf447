//! The name of a buffer.

use crate::prelude::*;

case! {
    /// A name that is set through the primary or a read-write alias is visible through every descriptor, in fdinfo and
    /// in /proc/self/maps. The last name that was set is the one that counts, and a name that is too long changes
    /// nothing. A read-only alias may be refused; if it is not, its name is visible as well.
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

    let reader = &descriptors.read_only;
    let result = s.call(
        format!("set_name({}, by-a-reader)", reader.name),
        |()| "ok".into(),
        || set_name(reader.as_fd(), c"by-a-reader"),
    );
    shows(s, &all, if result.is_ok() { "by-a-reader" } else { "by-another" });
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
