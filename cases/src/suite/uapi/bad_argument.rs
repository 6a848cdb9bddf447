//! DERIVE with an argument that it cannot read or cannot write.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::prelude::*;

case! {
    /// An argument that cannot be read, as a whole or in one of its halves, gives EFAULT, and so does one that can be
    /// read but not written. The argument, the next descriptor number and the buffer's references do not change, and no
    /// other thread can see the descriptor in between.
    "UAPI-3", Contract, Exporter::MAIN, [Derive, TestImporter, TwoProcessors],
    relies on [Closing]
}

/// Failing calls of one thread while another checks the descriptor.
const ROUNDS: usize = 100;

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let primary = s.export(on.exporter, 1)?.primary;
    let observer = BufferObserver::start(&primary)?;
    let alias = s.must_derive("RO alias", &primary, RDONLY)?;
    let area = anonymous(2 * PAGE, RW).or_broken("two pages for arguments")?;
    let gone = {
        let mapping = anonymous(PAGE, RW).or_broken("a page to unmap")?;
        mapping.address()
    };

    let kernel = 0xffff_8880_0000_1000_usize;
    for (what, address) in [("NULL", 0), ("unmapped memory", gone), ("a kernel address", kernel)] {
        if !refused(s, &observer, [&primary, &primary], what, address, RDONLY)? {
            return Ok(());
        }
    }
    // Where an argument starts whose words are on different pages, and the page that the descriptor is written to.
    let split = PAGE - shape().middle();
    let target = if shape().fd_is_second() { PAGE } else { 0 };
    // Read-only memory must hold valid flags, else EINVAL would come first. The alias is a caller, too: its references
    // differ from those of the primary.
    for (what, offset, protected) in [
        // Half an argument: a kernel that ignores the fault would find valid flags in the zeroed rest.
        ("an argument whose first word is unreadable", split, (0, libc::PROT_NONE)),
        ("an argument whose second word is unreadable", split, (PAGE, libc::PROT_NONE)),
        ("an argument that is read-only memory", PAGE, (PAGE, libc::PROT_READ)),
        ("an argument whose second word is read-only memory", split, (target, libc::PROT_READ)),
    ] {
        for (source, flags) in [(&primary, RDONLY), (&primary, libc::O_RDWR as u32), (&alias, RDONLY)] {
            prepare(&area, offset, flags, protected)?;
            if !refused(s, &observer, [&primary, source], what, area.address() + offset, flags)? {
                return Ok(());
            }
            area.protect_part(0, 2 * PAGE, RW).or_broken("mprotect")?;
            let kept: Vec<u8> = (0..shape().size).map(|byte| area.read(offset + byte)).collect();
            if shape().decode(&kept) != (DeriveArgs { flags, fd: POISON }) {
                s.check("a failing call does not change the argument", false, format_args!("{what}: it changed"));
            }
        }
    }
    prepare(&area, PAGE, RDONLY, (PAGE, libc::PROT_READ))?;
    never_visible(s, &primary, area.address() + PAGE)
}

/// A descriptor that is installed first, and closed when the argument cannot be written, is not leaked, but
/// another thread can use it for a moment.
fn never_visible(s: &mut Steps, primary: &Fd, address: usize) -> CaseResult {
    let number = next_number(primary)?;
    let (seen, done) = (AtomicBool::new(false), AtomicBool::new(false));
    let refused = || {
        let wrong = (0..ROUNDS).find_map(|_| match ioctl_raw(primary.number(), shape().request, address) {
            Err(Errno::EFAULT) => None,
            other => Some(other.err().unwrap_or(Errno::EEXIST)),
        });
        done.store(true, Ordering::Relaxed);
        wrong.map_or(Ok(()), Err)
    };
    let look = || {
        while !done.load(Ordering::Relaxed) {
            seen.fetch_or(fcntl(number, libc::F_GETFD, 0).is_ok(), Ordering::Relaxed);
        }
        Ok(())
    };
    let raced = race(1, refused, look);
    let text = || "it does: the descriptor is installed before the argument is written".into();
    let unseen = ensure(!seen.load(Ordering::Relaxed), text);
    s.holds("while DERIVE fails with EFAULT, no other thread sees the descriptor", raced.and(unseen));
    Ok(())
}

/// Writes an argument at `offset` and protects one of the two pages.
fn prepare(area: &Mapping, offset: usize, flags: u32, (page, prot): (usize, i32)) -> CaseResult {
    let protect = |at, len, prot| area.protect_part(at, len, prot).or_broken("mprotect");
    protect(0, 2 * PAGE, RW)?;
    for (index, byte) in shape().encode(DeriveArgs { flags, fd: POISON }).into_iter().enumerate() {
        area.write(offset + index, byte);
    }
    protect(page, PAGE, prot)
}

/// Derives with an argument at `address`; false if something leaked, which would disturb the following checks.
fn refused(
    s: &mut Steps,
    observer: &BufferObserver,
    [primary, source]: [&Fd; 2],
    what: &str,
    address: usize,
    flags: u32,
) -> CaseResult<bool> {
    let snapshot = RefSnapshot::take(observer, primary)?;
    let text = format!("derive({}, {what}, {})", source.name, flags_text(flags));
    let result = s.call(text.clone(), |_| "ok".into(), || ioctl_raw(source.number(), shape().request, address));
    let errno_right = s.fails_with(format!("{text} gives EFAULT"), &result, Errno::EFAULT);
    Ok(s.check_balanced(&snapshot, &text)? && errno_right)
}
