//! DMA_HEAP_IOCTL_ALLOC with wrong values and with arguments that cannot be read or written.

use crate::prelude::*;

case! {
    /// The heap refuses every flag that is not an access mode or O_CLOEXEC, every heap flag, a descriptor number that is
    /// not 0, and a length of 0, with EINVAL; an argument that cannot be read, or can be read but not written, with
    /// EFAULT. Nothing is left behind, and FD_CLOEXEC is set exactly when requested.
    "EXP-1", Contract, Exporter::HEAP, [TestImporter],
    relies on [Listing]
}

const GOOD: Allocation = Allocation { len: 1, fd: 0, fd_flags: RDWR, heap_flags: 0 };

fn run(s: &mut Steps, _: CaseParams) -> CaseResult {
    let heap = open_device(SYSTEM_HEAP).or_broken(SYSTEM_HEAP)?;
    let allocate = |argument| dma_heap::allocate_with(heap.as_fd(), argument);
    drop(allocate(GOOD).or_broken("an allocation")?);
    let balance = Balance::take()?;

    let invalid = |what: &str, argument| refused(what, &allocate(argument), &[Errno::EINVAL]);
    let valid = (libc::O_ACCMODE | libc::O_CLOEXEC) as u32;
    let flags = (0..32).map(|bit| 1 << bit).filter(|bit| bit & valid == 0);
    let found = flags.clone().try_for_each(|bit| invalid(&flags_text(bit), Allocation { fd_flags: bit, ..GOOD }));
    s.holds("every other bit in fd_flags gives EINVAL", found);
    let mut bits = (0..64).map(|bit| 1_u64 << bit);
    let found = bits.try_for_each(|bit| invalid(&format!("{bit:#x}"), Allocation { heap_flags: bit, ..GOOD }));
    s.holds("every bit in heap_flags gives EINVAL", found);
    let mut numbers = [1, i32::MAX as u32, u32::MAX].into_iter();
    let found = numbers.try_for_each(|fd| invalid("fd", Allocation { fd, ..GOOD }));
    s.holds("fd that is not 0 gives EINVAL", found);
    s.holds("a length of 0 gives EINVAL", invalid("0", Allocation { len: 0, ..GOOD }));
    // Rounded up to pages it is 0.
    let longest = allocate(Allocation { len: u64::MAX, ..GOOD });
    s.holds("the greatest length gives EINVAL or ENOMEM", refused("it", &longest, &[Errno::EINVAL, Errno::ENOMEM]));
    s.check_nothing_left(&balance, "after the refusals")?;

    let number = heap.as_raw_fd();
    let area = anonymous(2 * PAGE, RW).or_broken("two pages for arguments")?;
    for (what, at, protected) in [
        ("an argument that cannot be read", PAGE, (PAGE, libc::PROT_NONE)),
        ("an argument whose first half cannot be read", PAGE - 12, (0, libc::PROT_NONE)),
        ("an argument whose second half cannot be read", PAGE - 12, (PAGE, libc::PROT_NONE)),
        ("an argument that is read-only memory", PAGE, (PAGE, libc::PROT_READ)),
        ("an argument whose first half is read-only memory", PAGE - 12, (0, libc::PROT_READ)),
        ("an argument whose second half is read-only memory", PAGE - 12, (PAGE, libc::PROT_READ)),
    ] {
        area.protect(RW).or_broken("mprotect")?;
        for (index, byte) in GOOD.bytes().into_iter().enumerate() {
            area.write(at + index, byte);
        }
        area.protect_part(protected.0, PAGE, protected.1).or_broken("mprotect")?;
        let result = s.call(
            format!("heap_alloc({what})"),
            |_| "ok".into(),
            || ioctl_raw(number, dma_heap::ALLOC, area.address() + at),
        );
        s.fails_with(format!("{what} gives EFAULT"), &result, Errno::EFAULT);
        // What is left open would also be found in every step that follows.
        if !s.check_nothing_left(&balance, what)? {
            return Ok(());
        }
    }

    for (flags, want) in [(RDWR, true), (libc::O_RDWR as u32, false)] {
        let fd = allocate(Allocation { fd_flags: flags, ..GOOD }).or_broken("an allocation")?;
        let set = closes_on_exec(&fd).or_broken("F_GETFD")?;
        s.equal(format!("FD_CLOEXEC after {}", flags_text(flags)), set, want);
    }
    s.check_nothing_left(&balance, "after the last close")?;
    Ok(())
}
