//! DERIVE as 64-bit and as 32-bit programs call it, side by side.

use crate::prelude::*;

case! {
    /// A 32-bit caller gets whatever a 64-bit caller gets: the same return value, the same bytes in and around the
    /// structure, and an alias with the lowest number and the same mode, flags and mappings. This is compared on the
    /// primary and on aliases, for every single bit of `flags`, for every kind of address, at the descriptor limit, and
    /// for SYNC on the aliases. Where each call takes a process, as on arm64, one bit is tried on aliases.
    "UAPI-8", Contract, Exporter::MAIN, [Derive, Compat],
    relies on [Closing]
}

/// `DMA_BUF_IOCTL_SYNC`, and its flags for the start and the end of a read.
const SYNC: u32 = ioc(IOC_WRITE, b'b', 0, 8);
const BEGIN_READ: u32 = 1;
const END_READ: u32 = 1 | 4;

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let primary = s.export(on.exporter, 1)?.primary;
    let read_write = s.must_derive("RW alias", &primary, RDWR)?;
    let read_only = s.must_derive("RO alias", &primary, RDONLY)?;
    let callers = TwoCallers::new(&primary)?;
    let number = shape().request;

    for source in [&primary, &read_write, &read_only] {
        // Where each call takes a process, all bits are tried on the primary only.
        let few = compat::TAKES_A_PROCESS && !std::ptr::eq(source, &primary);
        let count = if few { FEW } else { usize::MAX };
        let rows = every_flag()
            .take(count)
            .map(|flags| (flags_text(flags), callers.compare(&derive_request(source.number(), flags))));
        s.holds(format!("derive({}) with every mode and bit: same result for both callers", source.name), all(rows));
        let sync = |flags: u32| {
            let argument = u64::from(flags).to_le_bytes().to_vec();
            callers.compare(&IoctlRequest { fd: source.number(), number: SYNC, argument, derives: false })
        };
        let rows = [BEGIN_READ, END_READ, 0, 1 << 3].into_iter().map(|flags| (format!("flags {flags}"), sync(flags)));
        s.holds(format!("sync({}): same result for both callers", source.name), all(rows));
    }
    s.holds("arguments of every kind: same result for both callers", addresses(&callers, &primary));
    let sizes = [0, 4, 12, 0x3fff].map(|size| (number & !(0x3fff << 16)) | size << 16);
    let directions = [0, 1, 2, 3].map(|direction| (number & !(3 << 30)) | direction << 30);
    let others = sizes.into_iter().chain(directions).filter(|other| *other != number);
    let rows = others.map(|number| {
        let request = IoctlRequest { number, ..derive_request(read_only.number(), RDONLY) };
        (format!("{number:#x}"), callers.compare(&request))
    });
    s.holds("other sizes and directions: same result for both callers", all(rows));
    let next = next_number(&primary)?;
    let closed = callers.compare(&derive_request(next, RDONLY));
    s.holds("a closed descriptor: same result for both callers", closed);
    let full = with_fd_limit(next as u64, || callers.compare(&derive_request(primary.number(), RDWR)))?;
    s.holds("no free descriptor number: same result for both callers", full);
    Ok(())
}

/// How many of the flags of [`every_flag`] are modes, or an unknown bit with each valid mode.
const FEW: usize = 10;

/// Each mode with and without O_CLOEXEC, and every single bit together with both valid modes.
fn every_flag() -> impl Iterator<Item = u32> {
    let modes = [libc::O_RDONLY, libc::O_WRONLY, libc::O_RDWR, libc::O_ACCMODE].map(|mode| mode as u32);
    let cloexec = modes.map(|mode| mode | libc::O_CLOEXEC as u32);
    let bits = (2..32).flat_map(|shift| [1 << shift, libc::O_RDWR as u32 | 1 << shift]);
    modes.into_iter().chain(cloexec).chain(bits)
}

fn derive_request(fd: RawFd, flags: u32) -> IoctlRequest {
    let argument = shape().encode(DeriveArgs { flags, fd: POISON });
    IoctlRequest { fd, number: shape().request, argument, derives: true }
}

/// Arguments that are split, misaligned, or not writable.
fn addresses(callers: &TwoCallers<'_>, source: &Fd) -> Result<(), String> {
    let torn = PAGE - shape().middle();
    let request = derive_request(source.number(), RDONLY);
    let inside = [
        ("an odd address", PAGE + 3, RW),
        ("an argument across two pages", torn, RW),
        ("one whose second word cannot be read", torn, libc::PROT_NONE),
        ("one whose second word cannot be written", torn, libc::PROT_READ),
        ("one that cannot be read", PAGE, libc::PROT_NONE),
        ("one that cannot be written", PAGE, libc::PROT_READ),
    ];
    let inside = inside.into_iter().map(|(what, offset, prot)| (what, callers.compare_at(&request, offset, prot)));
    let outside = [("NULL", 0), ("the last word below 4 GiB", 0xffff_fffc)].into_iter();
    let outside = outside.map(|(what, address)| (what, callers.compare_address(request.fd, request.number, address)));
    all(inside.chain(outside).map(|(what, found)| (what.to_string(), found)))
}

/// The first row that does not hold, if any.
fn all(mut rows: impl Iterator<Item = (String, Result<(), String>)>) -> Result<(), String> {
    rows.try_for_each(|(what, found)| found.map_err(|wrong| format!("{what}: {wrong}")))
}
