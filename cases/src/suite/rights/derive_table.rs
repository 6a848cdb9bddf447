//! The table of source mode and requested mode.

use crate::prelude::*;

case! {
    /// The access mode of the calling descriptor limits what can be derived from it. From O_RDWR: both modes. From
    /// O_RDONLY: O_RDONLY. From O_WRONLY and from access mode 3, which heaps hand out: nothing. The same holds when
    /// the caller is an alias. A refusal leaks no descriptor number and no reference.
    "R-1", Contract, Exporter::WITH_DEVICES, [Derive, TestImporter]
}

const GRANTED: &str = "ok";

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let primary = s.export(on.exporter, 1)?.primary;
    let observer = BufferObserver::start(&primary)?;
    let buffer = (&observer, &primary);
    row(s, buffer, &primary, [GRANTED, GRANTED])?;
    let read_only = s.must_derive("read-only alias", &primary, RDONLY)?;
    row(s, buffer, &read_only, [GRANTED, "EACCES"])?;
    let read_write = s.must_derive("read-write alias", &primary, RDWR)?;
    row(s, buffer, &read_write, [GRANTED, GRANTED])?;
    let second = s.must_derive("alias of the read-write alias", &read_write, RDONLY)?;
    row(s, buffer, &second, [GRANTED, "EACCES"])?;

    let modes = on.exporter.lesser_modes();
    for (mode, flags) in modes.first().map(|_| ("O_RDWR", libc::O_RDWR)).iter().chain(modes) {
        let source = s.export_as(mode, on.exporter, 1, (flags | libc::O_CLOEXEC) as u32)?;
        let observer = BufferObserver::start(&source)?;
        let want = match *flags {
            libc::O_RDWR => [GRANTED, GRANTED],
            libc::O_RDONLY => [GRANTED, "EACCES"],
            _ => ["EACCES", "EACCES"],
        };
        row(s, (&observer, &source), &source, want)?;
    }
    Ok(())
}

/// Requests O_RDONLY and O_RDWR from `source`, a descriptor of the observed buffer.
fn row(s: &mut Steps, (observer, primary): (&BufferObserver, &Fd), source: &Fd, want: [&str; 2]) -> CaseResult {
    for (flags, want) in [RDONLY, RDWR].into_iter().zip(want) {
        let snapshot = RefSnapshot::take(observer, primary)?;
        let got: Result<Fd, Errno> = s.derive("alias", source, flags);
        let asked = format!("{} from {}", flags_text(flags), source.name);
        s.equal(asked.clone(), outcome_name(&got).as_str(), want);
        if got.is_err() {
            s.check_balanced(&snapshot, &asked)?;
        }
    }
    Ok(())
}
