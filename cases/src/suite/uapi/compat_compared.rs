//! DERIVE as 64-bit and as 32-bit programs call it, side by side.

use crate::prelude::*;

case! {
    /// Whatever a 64-bit caller gets, a 32-bit caller gets: the same answer, the same bytes in and around the structure, an
    /// alias with the lowest number and the same mode, flags and rights to map, from the primary and from aliases, for every single bit of
    /// `flags`, for every kind of address, at the limit on descriptors, and for SYNC on the aliases.
    "UAPI-8", Contract, Exporter::MAIN, [Derive, Ia32]
}

/// `DMA_BUF_IOCTL_SYNC`, and its flags for the start and the end of a read.
const SYNC: u32 = ioc(IOC_WRITE, b'b', 0, 8);
const BEGIN_READ: u32 = 1;
const END_READ: u32 = 1 | 4;
/// What memory around an argument holds, and how far from it one looks.
const CANARY: u8 = 0xa5;
const AROUND: usize = 32;

/// ioctl(2) of either kind; the address is below 4 GiB.
pub(super) type Call = fn(RawFd, u32, usize) -> Result<i32, Errno>;

pub(super) const AS_64_BIT: Call = ioctl_raw;
pub(super) const AS_32_BIT: Call = |fd, request, address| compat::ioctl(fd, request, address as u32);

/// All that a caller can see of a call.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    answer: Result<i32, Errno>,
    memory: Vec<u8>,
    /// Which number it has, F_GETFL, F_GETFD and what becomes of a writable mapping.
    alias: Option<[String; 4]>,
}

fn run(s: &mut Steps, on: On) -> CaseResult {
    let primary = s.export(on.exporter, 1)?.primary;
    let read_write = s.must_derive("RW alias", &primary, RDWR)?;
    let read_only = s.must_derive("RO alias", &primary, RDONLY)?;
    let desk = Desk::new(&primary)?;
    let request = shape().request;

    for source in [&primary, &read_write, &read_only] {
        let fd = source.number();
        let rows = every_flag().map(|flags| (flags_text(flags), desk.compare(fd, request, &argument(flags))));
        s.nothing_wrong(
            format!("derive({}) with every mode and bit: both callers see the same", source.name),
            first(rows),
        );
        let rows = [BEGIN_READ, END_READ, 0, 1 << 3]
            .into_iter()
            .map(|flags| (format!("flags {flags}"), desk.compare(fd, SYNC, &u64::from(flags).to_le_bytes())));
        s.nothing_wrong(format!("sync({}): both callers see the same", source.name), first(rows));
    }
    s.nothing_wrong("arguments of every kind: both callers see the same", addresses(&desk, &primary));
    let sizes = [0, 4, 12, 0x3fff].map(|size| (request & !(0x3fff << 16)) | size << 16);
    let directions = [0, 1, 2, 3].map(|direction| (request & !(3 << 30)) | direction << 30);
    let others = sizes.into_iter().chain(directions).filter(|other| *other != request);
    let rows = others.map(|other| (format!("{other:#x}"), desk.compare(read_only.number(), other, &argument(RDONLY))));
    s.nothing_wrong("other sizes and directions: both callers see the same", first(rows));
    let next = next_number(&primary)?;
    let closed = desk.compare(next, request, &argument(RDONLY));
    s.nothing_wrong("a number that is not open: both callers see the same", closed);
    let full = with_fd_limit(next as u64, || desk.compare(primary.number(), request, &argument(RDWR)))?;
    s.nothing_wrong("no descriptor number left: both callers see the same", full);
    Ok(())
}

/// Each mode with and without O_CLOEXEC, and every bit beside both modes that can be had.
fn every_flag() -> impl Iterator<Item = u32> {
    let modes = [libc::O_RDONLY, libc::O_WRONLY, libc::O_RDWR, libc::O_ACCMODE].map(|mode| mode as u32);
    let cloexec = modes.map(|mode| mode | libc::O_CLOEXEC as u32);
    let bits = (2..32).flat_map(|shift| [1 << shift, libc::O_RDWR as u32 | 1 << shift]);
    modes.into_iter().chain(cloexec).chain(bits)
}

fn argument(flags: u32) -> Vec<u8> {
    shape().encode(DeriveArgs { flags, fd: POISON })
}

/// Arguments that are torn, misplaced, or not to be written.
fn addresses(desk: &Desk<'_>, source: &Fd) -> Result<Option<String>, Errno> {
    let torn = PAGE - shape().middle();
    let rows = [
        ("an odd address", PAGE + 3, RW),
        ("an argument across two pages", torn, RW),
        ("one whose second word cannot be read", torn, libc::PROT_NONE),
        ("one whose second word cannot be written", torn, libc::PROT_READ),
        ("one that cannot be read", PAGE, libc::PROT_NONE),
        ("one that cannot be written", PAGE, libc::PROT_READ),
    ];
    let inside = rows.into_iter().map(|(what, offset, prot)| {
        (what.to_string(), desk.compare_at(source.number(), shape().request, &argument(RDONLY), offset, prot))
    });
    let outside = [("NULL", 0), ("the last word below 4 GiB", 0xffff_fffc)].into_iter().map(|(what, address)| {
        let [wide, narrow] = [AS_64_BIT, AS_32_BIT].map(|call| call(source.number(), shape().request, address));
        let other = wide != narrow;
        (what.to_string(), Ok(other.then(|| told(&outcome_name(&wide), &outcome_name(&narrow)))))
    });
    first(inside.chain(outside))
}

/// Two pages below 4 GiB in which arguments are put.
struct Desk<'a> {
    area: Mapping,
    any: &'a Fd,
}

impl<'a> Desk<'a> {
    fn new(any: &'a Fd) -> CaseResult<Self> {
        let area = anonymous_low(2 * PAGE, RW).or_broken("pages below 4 GiB")?;
        u32::try_from(area.address()).or_broken("pages below 4 GiB")?;
        Ok(Desk { area, any })
    }

    fn compare(&self, fd: RawFd, request: u32, argument: &[u8]) -> Result<Option<String>, Errno> {
        self.compare_at(fd, request, argument, AROUND, RW)
    }

    /// Makes the call in both ways, with the same bytes at `offset` and the second page with the rights `prot`. Says what
    /// is not the same.
    fn compare_at(
        &self,
        fd: RawFd,
        request: u32,
        argument: &[u8],
        offset: usize,
        prot: i32,
    ) -> Result<Option<String>, Errno> {
        let wide = self.see(AS_64_BIT, fd, request, argument, offset, prot)?;
        let narrow = self.see(AS_32_BIT, fd, request, argument, offset, prot)?;
        Ok(match (&wide, &narrow) {
            _ if wide == narrow => None,
            _ if wide.answer != narrow.answer => Some(told(&outcome_name(&wide.answer), &outcome_name(&narrow.answer))),
            (Seen { alias: Some(wide), .. }, Seen { alias: Some(narrow), .. }) if wide != narrow => {
                Some(told(&wide.join(", "), &narrow.join(", ")))
            }
            _ => Some("memory differs after the call".into()),
        })
    }

    fn see(
        &self,
        call: Call,
        fd: RawFd,
        request: u32,
        argument: &[u8],
        offset: usize,
        prot: i32,
    ) -> Result<Seen, Errno> {
        let window = offset - AROUND..offset + argument.len() + AROUND;
        window.clone().for_each(|at| self.area.write(at, CANARY));
        argument.iter().enumerate().for_each(|(index, byte)| self.area.write(offset + index, *byte));
        self.area.protect_part(PAGE, PAGE, prot)?;
        let lowest = self.any.quiet_dup().ok().map(|fd| fd.as_raw_fd());
        let answer = call(fd, request, self.area.address() + offset);
        self.area.protect_part(PAGE, PAGE, RW)?;
        let mut memory: Vec<u8> = window.map(|at| self.area.read(at)).collect();
        let derives = request != SYNC && answer.is_ok();
        let derived = derives.then(|| shape().decode(&memory[AROUND..])).filter(|derived| derived.fd >= 0);
        let alias = derived.map(|derived| {
            // A number that an earlier call lost is no difference between callers.
            let number = shape().encode(DeriveArgs { flags: 0, fd: -1 });
            memory[AROUND..].iter_mut().zip(number).for_each(|(byte, mask)| *byte &= !mask);
            let place = if Some(derived.fd) == lowest { "the lowest free number" } else { "another number" };
            let alias = Fd::new("alias", take_derived(&derived));
            let facts =
                [libc::F_GETFL, libc::F_GETFD].map(|command| format!("{:?}", fcntl(alias.number(), command, 0)));
            let mapped = memory::map(alias.as_fd(), PAGE, RW, libc::MAP_SHARED, 0);
            let [status, descriptor] = facts;
            [
                place.to_string(),
                format!("F_GETFL {status}"),
                format!("F_GETFD {descriptor}"),
                format!("mapped RW {}", outcome_name(&mapped)),
            ]
        });
        Ok(Seen { answer, memory, alias })
    }
}

fn told(wide: &str, narrow: &str) -> String {
    format!("a 64-bit caller gets {wide}, a 32-bit caller {narrow}")
}

/// The first row in which something is wrong.
fn first(rows: impl Iterator<Item = (String, Result<Option<String>, Errno>)>) -> Result<Option<String>, Errno> {
    for (what, found) in rows {
        if let Some(wrong) = found? {
            return Ok(Some(format!("{what}: {wrong}")));
        }
    }
    Ok(None)
}
