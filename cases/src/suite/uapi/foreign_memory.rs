//! DERIVE with arguments in unusual memory.

use nix::{
    sys::memfd::{MFdFlags, memfd_create},
    unistd::ftruncate,
};

use crate::prelude::*;

case! {
    /// An argument in the buffer itself, mapped read-only through an alias, gives EFAULT, and the buffer's contents do
    /// not change. So does one in a read-only mapping of a file, in a file that ends before or within it, and at an
    /// address outside user space. None of them leaks a descriptor number or a reference. An argument in a writable
    /// mapping of the buffer works like any other.
    "UAPI-3", Contract, Exporter::MAIN, [Derive, TestImporter],
    relies on [Closing]
}

/// Offset of an argument that does not cross a page boundary.
const OFFSET: usize = 0x40;

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let primary = s.export(on.exporter, 1)?.primary;
    let observer = BufferObserver::start(&primary)?;
    let alias = s.must_derive("RO alias", &primary, RDONLY)?;
    let writable = map(primary.as_fd(), 1, RW)?;
    let shown = map(alias.as_fd(), 1, libc::PROT_READ)?;
    let sentence = "an argument in a writable mapping of the buffer receives the result";
    let (clause, found) = answered(&primary, &writable, &shown)?;
    s.about(clause).holds(sentence, found);

    let narrowed = map(primary.as_fd(), 1, RW)?;
    narrowed.protect(libc::PROT_READ).or_broken("mprotect")?;
    let hidden = map(primary.as_fd(), 1, RW)?;
    hidden.protect(libc::PROT_NONE).or_broken("mprotect")?;
    let (file, short) = (memfd(1)?, memfd(2)?);
    let (file, reading) = (map(file.as_fd(), 1, RW)?, map(file.as_fd(), 1, libc::PROT_READ)?);
    let ending = map(short.as_fd(), 2, RW)?;
    put(&ending, PAGE + OFFSET, RDONLY);
    // Removes a page that was just written.
    ftruncate(&short, PAGE as i64).or_broken("ftruncate")?;
    let torn = PAGE - shape().middle();
    let end = END_OF_USER_SPACE;

    for (what, address) in [
        ("in the buffer, mapped R through the RO alias", shown.address() + OFFSET),
        ("in the buffer, mapped RW through the primary and made R", narrowed.address() + OFFSET),
        ("in the buffer, mapped RW through the primary and made inaccessible", hidden.address() + OFFSET),
        ("in a file that is mapped R", reading.address() + OFFSET),
        ("in a file that ends before it", ending.address() + PAGE + OFFSET),
        ("in a file that ends within it", ending.address() + torn),
        ("in the page behind user space", end),
        ("across the end of user space", end - shape().middle()),
        ("at a non-canonical address", 1 << 62),
        ("across the last address and NULL", shape().middle().wrapping_neg()),
    ] {
        let mut found = Ok(());
        for (source, flags) in [(&primary, RDONLY), (&primary, RDWR), (&alias, RDONLY)] {
            put(&writable, OFFSET, flags);
            put(&file, OFFSET, flags);
            put_until(&ending, torn, flags, PAGE);
            let snapshot = RefSnapshot::take(&observer, &primary)?;
            let result = ioctl_raw(source.number(), shape().request, address);
            let unchanged = snapshot.unchanged()?;
            let untouched = [&writable, &file].iter().all(|memory| get(memory) == DeriveArgs { flags, fd: POISON });
            found = ensure(result == Err(Errno::EFAULT), || format!("it returned {}", outcome_name(&result)))
                .and(unchanged)
                .and(ensure(untouched, || "the argument was written".into()))
                .map_err(|wrong| format!("{} from {}: {wrong}", flags_text(flags), source.name));
            if found.is_err() {
                break;
            }
        }
        // A leak would disturb all following checks.
        if !s.holds(format!("an argument {what}: EFAULT, nothing leaked"), found) {
            break;
        }
    }
    Ok(())
}

/// Derives with an argument in the buffer, and reads the result through both mappings.
fn answered(primary: &Fd, writable: &Mapping, shown: &Mapping) -> CaseResult<(&'static str, Result<(), String>)> {
    put(writable, OFFSET, RDONLY);
    let lowest = next_number(primary)?;
    let result = ioctl_raw(primary.number(), shape().request, writable.address() + OFFSET);
    if result.is_err() {
        return Ok(("UAPI-3", Err(format!("it returned {}", outcome_name(&result)))));
    }
    let (written, seen) = (get(writable), get(shown));
    let right = written == DeriveArgs { flags: RDONLY, fd: lowest };
    if written.fd == lowest {
        drop(take_derived(&written));
    }
    if seen != written {
        return Ok(("I-2", Err("the alias shows other contents".into())));
    }
    Ok(("UAPI-4", ensure(right, || "it does not hold flags and the lowest free number".into())))
}

/// A shared mapping of the first pages.
fn map(fd: std::os::fd::BorrowedFd<'_>, pages: usize, prot: i32) -> CaseResult<Mapping> {
    memory::map(fd, pages * PAGE, prot, libc::MAP_SHARED, 0).or_broken("mapping memory for arguments")
}

fn memfd(pages: usize) -> CaseResult<OwnedFd> {
    let fd = memfd_create("arguments", MFdFlags::MFD_CLOEXEC).or_broken("memfd_create")?;
    ftruncate(&fd, (pages * PAGE) as i64).or_broken("ftruncate")?;
    Ok(fd)
}

fn put(memory: &Mapping, offset: usize, flags: u32) {
    put_until(memory, offset, flags, memory.len());
}

/// Writes those bytes of an argument that are before `end`.
fn put_until(memory: &Mapping, offset: usize, flags: u32, end: usize) {
    let bytes = shape().encode(DeriveArgs { flags, fd: POISON });
    bytes.into_iter().zip(offset..end).for_each(|(byte, at)| memory.write(at, byte));
}

fn get(memory: &Mapping) -> DeriveArgs {
    let bytes: Vec<u8> = (0..shape().size).map(|index| memory.read(OFFSET + index)).collect();
    shape().decode(&bytes)
}
