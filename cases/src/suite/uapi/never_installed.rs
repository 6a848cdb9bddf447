//! Failing DERIVE calls, with another thread that waits for the descriptor to appear.

use crate::prelude::*;

case! {
    /// A DERIVE call that returns EFAULT installs no descriptor, not even for a moment. The calling thread would be
    /// stopped right after the instruction that makes a descriptor visible, so the result does not depend on timing.
    "UAPI-3", Contract, Exporter::MAIN, [Derive, TestImporter, Stall, TwoProcessors],
    relies on [Closing]
}

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let importer = Importer::open().or_broken("opening the test importer")?;
    let primary = s.export(on.exporter, 1)?.primary;
    let observer = BufferObserver::start(&primary)?;
    let area = anonymous(PAGE, RW).or_broken("a page for an argument")?;
    let snapshot = RefSnapshot::take(&observer, &primary)?;
    let (source, number) = (primary.number(), next_number(&primary)?);
    let there = || "it was visible to other threads before the call failed".to_string();
    for (what, protection) in [("cannot be written", libc::PROT_READ), ("cannot be read", libc::PROT_NONE)] {
        for flags in [RDONLY, libc::O_RDWR as u32] {
            put(&area, flags, protection)?;
            let call = || ioctl_raw(source, shape().request, area.address());
            let (answer, appeared) = while_stopped(&importer, StallPoint::Visible(number), call, || ())?;
            let text = format!("derive(primary, {}) where its argument {what}", flags_text(flags));
            s.equal(format!("{text} gives EFAULT"), answer.map(drop), Err(Errno::EFAULT));
            s.holds(format!("{text}: no descriptor becomes visible"), ensure(appeared.is_none(), there));
        }
    }
    s.check_balanced(&snapshot, "after all failed calls")?;
    Ok(())
}

/// Writes an argument at the start of the page and protects the page.
fn put(area: &Mapping, flags: u32, protection: i32) -> CaseResult {
    let protect = |prot| area.protect_part(0, PAGE, prot).or_broken("mprotect");
    protect(RW)?;
    for (index, byte) in shape().encode(DeriveArgs { flags, fd: POISON }).into_iter().enumerate() {
        area.write(index, byte);
    }
    protect(protection)
}
