//! Attempts to add write access to an existing mapping.

use std::fs::File;

use crate::prelude::*;

case! {
    /// A shared mapping of a read-only alias, of an alias of an alias, and of a heap buffer exported O_RDONLY does not
    /// become writable by mprotect, after mremap moved or duplicated it, or by remap_file_pages. A store to it faults
    /// and changes nothing.
    "R-4", Contract, Exporter::WITH_DEVICES, [], [ALIASES, EXPORTED.only_on(Exporter::HEAP)]
}

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    if on.fds() == FdKind::Exported {
        let fd = s.heap_export("O_RDONLY heap buffer", 2, RDONLY)?;
        return attack(s, &fd);
    }
    let primary = s.export(on.exporter, 2)?.primary;
    let descriptors = s.descriptors(primary)?;
    s.fill(&descriptors.primary, 2 * PAGE, 9)?;
    attack(s, &descriptors.read_only)?;
    attack(s, &descriptors.second)?;
    s.check_pattern(&descriptors.primary, 2 * PAGE, 9)?;
    Ok(())
}

/// Tries everything on a two-page mapping of `fd`.
fn attack(s: &mut Steps, fd: &Fd) -> CaseResult {
    let mapping = s.mmap(fd, 2 * PAGE, libc::PROT_READ, libc::MAP_SHARED);
    let mut mapping = s.succeeds(format!("{} can be mapped for reading", fd.name), mapping)?;
    locked(s, &fd.name, &mapping)?;
    locked_part(s, &fd.name, &mapping);

    let moved = s.call("mremap(to another address)", |()| "moved".into(), || mapping.relocate());
    // Kernels and exporters differ in whether the two work; neither may give write access.
    let found = moved.map_or(Ok(()), |()| stays_locked(&mapping));
    s.holds(format!("{}, moved if the kernel moves it: mprotect to W and RW gives EACCES", fd.name), found);
    let twin = s.call("mremap(old length 0)", |_| "duplicated".into(), || mapping.twin());
    let found = twin.map_or(Ok(()), |twin| stays_locked(&twin));
    s.holds(format!("{}, duplicated if possible: mprotect to W and RW gives EACCES", fd.name), found);
    let _ = s.call("remap_file_pages(first page to second)", |()| "ok".into(), || mapping.remap_first_page(1));
    locked(s, &format!("{}, after remap_file_pages", fd.name), &mapping)?;

    // A store by the kernel on behalf of this process faults like a store of its own, without a signal.
    let zeros = File::open("/dev/zero").or_broken("/dev/zero")?;
    let store = mapping.read_into(zeros.as_fd(), 0, 8);
    s.fails_with(format!("a store to the mapping of {} gives EFAULT", fd.name), &store, Errno::EFAULT);
    Ok(())
}

fn stays_locked(mapping: &Mapping) -> Result<(), String> {
    [libc::PROT_WRITE, RW].into_iter().try_for_each(|prot| {
        let result = mapping.protect(prot);
        let _ = mapping.protect(libc::PROT_READ);
        ensure(result == Err(Errno::EACCES), || format!("mprotect to {}: {}", prot_text(prot), outcome_name(&result)))
    })
}

fn locked(s: &mut Steps, what: &str, mapping: &Mapping) -> CaseResult {
    for prot in [libc::PROT_WRITE, RW, RW | libc::PROT_EXEC] {
        let result = mapping.protect(prot);
        let sentence = format!("{what}: mprotect to {} gives EACCES", prot_text(prot));
        if !s.fails_with(sentence, &result, Errno::EACCES) {
            // Restored, so that the store below fails.
            let _ = mapping.protect(libc::PROT_READ);
        }
    }
    Ok(())
}

/// After PROT_NONE and back, and for one page of two.
fn locked_part(s: &mut Steps, what: &str, mapping: &Mapping) {
    let none = mapping.protect(libc::PROT_NONE);
    let read = mapping.protect(libc::PROT_READ);
    s.check(
        format!("{what}: mprotect to PROT_NONE and back to R succeeds"),
        none.and(read).is_ok(),
        "it was not possible",
    );
    let one = mapping.protect_part(PAGE, PAGE, RW);
    s.fails_with(format!("{what}: mprotect of one page to RW gives EACCES"), &one, Errno::EACCES);
}
