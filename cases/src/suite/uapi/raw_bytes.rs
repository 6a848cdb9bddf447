//! DERIVE as bytes in memory, for a program without the header.

use crate::prelude::*;

case! {
    /// A program that knows only the number 0xc0086204 and the eight bytes can derive an alias: the flags are in the
    /// first four bytes, little endian, the descriptor is returned in the last four, and no other byte is read or
    /// written. This holds at the start and at the end of a page, and at an odd address.
    "UAPI-1", Contract, Exporter::MAIN, [Derive]
}

/// A literal, as a program would write it: the constant of the suite is computed by the suite's own `ioc()`.
const REQUEST: u32 = 0xc008_6204;
/// Contents of all memory that the case does not set.
const CANARY: u8 = 0xa5;
/// O_RDONLY|O_CLOEXEC and O_RDWR, whose values are those of include/uapi/asm-generic/fcntl.h on every architecture that is tested.
const MODES: [(&str, [u8; 4]); 2] =
    [("O_RDONLY|O_CLOEXEC", [0x00, 0x00, 0x08, 0x00]), ("O_RDWR", [0x02, 0x00, 0x00, 0x00])];

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let primary = s.export(on.exporter, 1)?.primary;
    // Only the page in the middle is accessible.
    let area = anonymous(3 * PAGE, libc::PROT_NONE).or_broken("three pages")?;
    area.protect_part(PAGE, PAGE, RW).or_broken("mprotect")?;

    for (place, offset) in
        [("at the start of a page", 0), ("at an odd address", 37), ("at the end of a page", PAGE - 8)]
    {
        for (mode, bytes) in MODES {
            derived(s, &primary, &area, (place, offset), (mode, bytes))?;
        }
    }
    Ok(())
}

fn derived(
    s: &mut Steps,
    primary: &Fd,
    area: &Mapping,
    (place, offset): (&str, usize),
    (mode, bytes): (&str, [u8; 4]),
) -> CaseResult {
    (0..PAGE).for_each(|index| area.write(PAGE + index, CANARY));
    bytes.iter().enumerate().for_each(|(index, byte)| area.write(PAGE + offset + index, *byte));
    let lowest = next_number(primary)?;
    let text = format!("ioctl(primary, 0xc0086204, eight bytes {place} for {mode})");
    let address = area.address() + PAGE + offset;
    let result = s.call(text, |value: &i32| value.to_string(), || ioctl_raw(primary.number(), REQUEST, address));
    let at = |index: usize| area.read(PAGE + offset + index);
    let number = i32::from_le_bytes([at(4), at(5), at(6), at(7)]);
    let canaries = i32::from_le_bytes([CANARY; 4]);
    // Owned before the checks, so that it is closed when one of them ends the case.
    let alias = (result.is_ok() && number == lowest).then(|| Fd::new("alias", crate::uapi::own(number)));
    s.must(format!("{mode} {place} succeeds"), result.is_ok(), format_args!("it returned {}", outcome_name(&result)))?;
    if alias.is_some() {
        // The layout is right: what is written into `flags` is for another clause.
        s.about("UAPI-4");
    }
    s.equal("the first four bytes are unchanged", [at(0), at(1), at(2), at(3)], bytes);
    let detail = if number == canaries { "they were not written" } else { "they hold another value" };
    s.must("the last four are the lowest free number", alias.is_some(), detail)?;
    let written = (0..PAGE).find(|index| !(offset..offset + 8).contains(index) && area.read(PAGE + index) != CANARY);
    let text = |index| Err(format!("the byte at offset {} is", index as i64 - offset as i64));
    s.holds("no other byte is written", written.map_or(Ok(()), text));
    Ok(())
}
