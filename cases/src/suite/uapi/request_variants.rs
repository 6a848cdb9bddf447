//! DERIVE's number with another size or direction.

use crate::prelude::*;

case! {
    /// The number of DERIVE with any other size or direction gives ENOTTY, writes nothing and allocates nothing.
    "UAPI-9", Contract, Exporter::MAIN, []
}

/// Large enough for every size that is tried.
const AREA: usize = 512;

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let primary = s.export(on.exporter, 1)?.primary;
    let next = next_number(&primary)?;
    let shape = shape();
    let size = shape.size as u32;
    let mut sizes = vec![("no size".to_string(), 0), ("half the size".into(), size / 2)];
    sizes.extend([4, 8, 248].map(|more| (format!("{more} bytes more"), size + more)));
    for (what, size) in sizes {
        variant(s, &what, primary.number(), (shape.request & !(0x3fff << 16)) | size << 16);
    }
    // Each but the request's own direction, which is _IOWR in the proposal.
    let directions = [(0, "_IO"), (IOC_WRITE, "_IOW"), (IOC_READ, "_IOR"), (IOC_WRITE | IOC_READ, "_IOWR")];
    for (direction, name) in directions.into_iter().filter(|(direction, _)| *direction != shape.request >> 30) {
        variant(s, &format!("direction {name}"), primary.number(), (shape.request & !(3 << 30)) | direction << 30);
    }
    s.equal("no descriptor number is leaked", next_number(&primary)? - next, 0);
    Ok(())
}

fn variant(s: &mut Steps, what: &str, fd: i32, request: u32) {
    let mut before = shape().encode(DeriveArgs { flags: RDONLY, fd: POISON });
    before.resize(before.len().max(AREA), 0);
    let mut area = before.clone();
    let result = ioctl_raw(fd, request, area.as_mut_ptr() as usize);
    let got = outcome_name(&result);
    let holds = got == "ENOTTY" && area == before;
    s.check(format!("{what} gives ENOTTY and writes nothing"), holds, format_args!("it returned {got}"));
}
