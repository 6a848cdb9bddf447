//! DERIVE on memory that it cannot read or cannot write.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::prelude::*;

case! {
    /// An argument that cannot be read, as a whole or in one of its halves, is EFAULT, and so is one that can be read but
    /// not written. Afterwards the argument, the next descriptor number, the references on the buffer and its place on the
    /// list are as they were, and meanwhile no other thread finds the descriptor.
    "UAPI-3", Contract, Exporter::MAIN, [Derive, TestImporter]
}

/// How often one thread is refused while another looks.
const ROUNDS: usize = 100;

fn run(s: &mut Steps, on: On) -> CaseResult {
    let primary = s.export(on.exporter, 1)?.primary;
    let observer = BufferObserver::start(&primary)?;
    let alias = s.must_derive("RO alias", &primary, RDONLY)?;
    let snapshot = RefSnapshot::take(&observer, &primary)?;
    drop(dma_buf::derive(primary.as_fd(), RDONLY));
    // Else every refusal below would be blamed for what a success leaves behind.
    if !s.check_balanced(&snapshot, "an alias is derived and closed again")? {
        return Ok(());
    }
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
    // Where an argument begins whose two words are on different pages, and which of these the descriptor is written to.
    let split = PAGE - shape().middle();
    let target = if shape().fd_is_second() { PAGE } else { 0 };
    // Read-only memory must hold flags that are valid, else EINVAL would come first. The alias as caller: its references
    // are not those of the primary.
    for (what, offset, protected) in [
        // Half an argument: a kernel that goes on with what it got would find valid flags in the zeroes for the rest.
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
                s.check("a refusal leaves the argument alone", false, format_args!("{what}: it changed"));
            }
        }
    }
    prepare(&area, PAGE, RDONLY, (PAGE, libc::PROT_READ))?;
    never_visible(s, &primary, area.address() + PAGE)
}

/// A descriptor that is installed first and closed again when the argument cannot be written leaves nothing behind, but
/// for a moment another thread can use it.
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
    let text = || "it did: the descriptor is installed before the argument".into();
    let unseen = ensure(!seen.load(Ordering::Relaxed), text);
    s.holds("while DERIVE is refused with EFAULT, another thread never finds the descriptor", raced.and(unseen));
    Ok(())
}

/// Puts an argument at `offset` and takes rights from one of the two pages.
fn prepare(area: &Mapping, offset: usize, flags: u32, (page, prot): (usize, i32)) -> CaseResult {
    let protect = |at, len, prot| area.protect_part(at, len, prot).or_broken("mprotect");
    protect(0, 2 * PAGE, RW)?;
    for (index, byte) in shape().encode(DeriveArgs { flags, fd: POISON }).into_iter().enumerate() {
        area.write(offset + index, byte);
    }
    protect(page, PAGE, prot)
}

/// Derives with an argument at `address`; false when something stayed behind, so that going on makes no sense.
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
    let errno_right = s.fails_with(format!("{text} is EFAULT"), &result, Errno::EFAULT);
    Ok(s.check_balanced(&snapshot, &text)? && errno_right)
}
