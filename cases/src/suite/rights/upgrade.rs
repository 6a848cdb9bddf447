//! Ways to add write access to a mapping that exists.

use std::fs::File;

use crate::prelude::*;

case! {
    /// A shared mapping of a read-only alias, of an alias of an alias, and of a buffer that was exported O_RDONLY, does not become writable by mprotect, nor
    /// after mremap moved or doubled it, nor by remap_file_pages. A store into it faults and changes nothing.
    "R-4", Contract, Exporter::MAIN, [], [ALIASES, EXPORTED.only_on(Exporter::HEAP)]
}

fn run(s: &mut Steps, on: On) -> CaseResult {
    if on.fds() == FdKind::Exported {
        let fd = s.heap_export("O_RDONLY heap buffer", 2, RDONLY)?;
        return attack(s, &fd);
    }
    let primary = s.export(on.exporter, 2)?.primary;
    let family = s.family(primary)?;
    s.fill(&family.primary, 2 * PAGE, 9)?;
    attack(s, &family.read_only)?;
    attack(s, &family.second)?;
    s.check_pattern(&family.primary, 2 * PAGE, 9)?;
    Ok(())
}

/// Tries every way on a two-page mapping of `fd`.
fn attack(s: &mut Steps, fd: &Fd) -> CaseResult {
    let mapping = s.mmap(fd, 2 * PAGE, libc::PROT_READ, libc::MAP_SHARED);
    let mut mapping = s.succeeds(format!("{} can be mapped for reading", fd.name), mapping)?;
    locked(s, &fd.name, &mapping)?;
    locked_part(s, &fd.name, &mapping);

    let moved = s.call("mremap(to another address)", |()| "moved".into(), || mapping.relocate());
    if moved.is_ok() {
        locked(s, &format!("{}, moved", fd.name), &mapping)?;
    }
    // Kernels and exporters differ in whether this works; what must not come of it is write access.
    let twin = s.call("mremap(old length 0)", |_| "doubled".into(), || mapping.twin());
    if let Ok(twin) = twin {
        locked(s, &format!("{}, doubled", fd.name), &twin)?;
    }
    let _ = s.call("remap_file_pages(first page to second)", |()| "ok".into(), || mapping.remap_first_page(1));
    locked(s, &format!("{}, after remap_file_pages", fd.name), &mapping)?;

    // A store by the kernel on behalf of this process takes the same fault as a store of its own, without the signal.
    let zeros = File::open("/dev/zero").or_broken("/dev/zero")?;
    let store = mapping.read_into(zeros.as_fd(), 0, 8);
    s.fails_with(format!("a store into the mapping of {} is EFAULT", fd.name), &store, Errno::EFAULT);
    Ok(())
}

fn locked(s: &mut Steps, what: &str, mapping: &Mapping) -> CaseResult {
    for prot in [libc::PROT_WRITE, RW, RW | libc::PROT_EXEC] {
        let result = mapping.protect(prot);
        let sentence = format!("{what}: mprotect to {} is EACCES", prot_text(prot));
        if !s.fails_with(sentence, &result, Errno::EACCES) {
            // Back to what it was: the store below must not be what writes.
            let _ = mapping.protect(libc::PROT_READ);
        }
    }
    Ok(())
}

/// After a round over no access at all, and for one page of two.
fn locked_part(s: &mut Steps, what: &str, mapping: &Mapping) {
    let none = mapping.protect(libc::PROT_NONE);
    let read = mapping.protect(libc::PROT_READ);
    s.check(format!("{what}: mprotect to nothing and back to R is granted"), none.and(read).is_ok(), "it is not");
    let one = mapping.protect_part(PAGE, PAGE, RW);
    s.fails_with(format!("{what}: mprotect of one page to RW is EACCES"), &one, Errno::EACCES);
}
