//! Whether the holder of a read-only alias may name the buffer.

use crate::prelude::*;

case! {
    /// No clause says whether a read-only alias may set the buffer's name. Records what the kernel returns, and which
    /// name the primary shows afterwards.
    "I-4", Record, Exporter::MAIN, [Derive]
}

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let primary = s.export(on.exporter, 1)?.primary;
    let descriptors = s.descriptors(primary)?;
    for (fd, name) in [(&descriptors.read_only, c"by-a-reader"), (&descriptors.second, c"by-another")] {
        let result = set_name(fd.as_fd(), name);
        s.note(format!("set_name({}, {}): {}", fd.name, name.to_string_lossy(), outcome_name(&result)));
        let shown = fdinfo(&descriptors.primary).map(|info| info.name.unwrap_or("none".into()));
        s.note(format!("name shown by the primary: {}", shown.unwrap_or_else(errno_name)));
    }
    Ok(())
}
