//! As `request_variants`, on aliases, for all pairs of size and direction, and for 32-bit callers.

use crate::prelude::*;

case! {
    /// On read-write and read-only aliases the number of DERIVE with any other pair of size and direction gives ENOTTY,
    /// whatever the argument contains, for 64-bit and 32-bit callers. Nothing is written, no descriptor number and no
    /// reference is taken, and the correct request still works.
    "UAPI-9", Contract, Exporter::MAIN, [Derive, TestImporter, Compat],
    relies on [Closing]
}

/// The last one is the largest value of the size field.
const SIZES: [u32; 16] = [0, 1, 2, 4, 7, 8, 9, 12, 16, 20, 24, 32, 40, 64, 4096, 0x3fff];
/// The same where each 32-bit call takes a process of its own.
const FEW: [u32; 4] = [0, 4, 16, 0x3fff];
const DIRECTIONS: [(u32, &str); 4] = [(0, "_IO"), (1, "_IOW"), (2, "_IOR"), (3, "_IOWR")];
/// How many bytes of the argument are checked, if the structure is not larger.
const LOOKED_AT: usize = 64;
/// Contents behind the structure, where an extension would be.
const BEHIND: [(u8, &str); 2] = [(0, "zeroes"), (0xff, "ones")];

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let primary = s.export(on.exporter, 1)?.primary;
    let observer = BufferObserver::start(&primary)?;
    let descriptors = s.descriptors(primary)?;
    let area = anonymous_low(5 * PAGE, RW).or_broken("pages below 4 GiB")?;
    u32::try_from(area.address()).or_broken("pages below 4 GiB")?;
    let snapshot = RefSnapshot::take(&observer, &descriptors.primary)?;

    for alias in [&descriptors.read_write, &descriptors.read_only, &descriptors.second] {
        let sizes_32 = if compat::TAKES_A_PROCESS { &FEW[..] } else { &SIZES };
        for (caller, call, sizes) in [("64-bit", AS_64_BIT, &SIZES[..]), ("32-bit", AS_32_BIT, sizes_32)] {
            let found = refused(&area, sizes, |request| call(alias.number(), request, area.address()));
            s.holds(format!("{}, {caller} caller: every other request gives ENOTTY", alias.name), found);
        }
        if !s.check_balanced(&snapshot, &format!("{}, after the failed calls", alias.name))? {
            return Ok(());
        }
        drop(s.must_derive("one more alias", alias, RDONLY)?);
    }
    Ok(())
}

/// Whether every other request with DERIVE's number gives ENOTTY and changes nothing.
fn refused(area: &Mapping, sizes: &[u32], call: impl Fn(u32) -> Result<i32, Errno>) -> Result<(), String> {
    let request = shape().request;
    let variants = DIRECTIONS.into_iter().flat_map(|direction| sizes.iter().map(move |size| (direction, *size)));
    for ((direction, name), size) in variants {
        let variant = (request & 0xffff) | size << 16 | direction << 30;
        for (behind, word) in BEHIND.into_iter().filter(|_| variant != request) {
            let mut before = shape().encode(DeriveArgs { flags: RDONLY, fd: POISON });
            before.resize(before.len().max(LOOKED_AT), behind);
            before.iter().enumerate().for_each(|(index, byte)| area.write(index, *byte));
            let result = call(variant);
            let untouched = before.iter().enumerate().all(|(index, byte)| area.read(index) == *byte);
            let what = format!("{name} with {size} bytes and {word} behind the structure");
            ensure(result == Err(Errno::ENOTTY), || format!("{what} returned {}", outcome_name(&result)))?;
            ensure(untouched, || format!("{what} wrote to the argument"))?;
        }
    }
    Ok(())
}
