//! DERIVE as bytes in memory, for a program that has no header.

use crate::prelude::*;

case! {
    /// A program that knows nothing but the number 0xc0086204 and eight bytes gets its alias: the mode is in the first
    /// four, little end first, the descriptor comes in the last four, and no other byte is read or written. That holds
    /// where memory begins, where it ends, and at an odd address.
    "UAPI-1", Contract, Exporter::MAIN, [Derive]
}

/// As a program would write it. The suite's own constant is computed, and would be wrong together with what it is made of.
const REQUEST: u32 = 0xc008_6204;
/// What all memory around the structure holds, and the structure where nothing was put.
const CANARY: u8 = 0xa5;
/// O_RDONLY|O_CLOEXEC and O_RDWR, as x86 has them.
const MODES: [(&str, [u8; 4]); 2] =
    [("O_RDONLY|O_CLOEXEC", [0x00, 0x00, 0x08, 0x00]), ("O_RDWR", [0x02, 0x00, 0x00, 0x00])];

fn run(s: &mut Steps, on: On) -> CaseResult {
    let primary = s.export(on.exporter, 1)?.primary;
    // The page in the middle is the only one that there is for the kernel.
    let area = anonymous(3 * PAGE, libc::PROT_NONE).or_broken("three pages")?;
    area.protect_part(PAGE, PAGE, RW).or_broken("mprotect")?;

    for (place, offset) in [("where memory begins", 0), ("at an odd address", 37), ("where memory ends", PAGE - 8)] {
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
    // Taken over before anything is judged, so that a wrong kernel is not blamed for a descriptor that we left open.
    let alias = (result.is_ok() && number == lowest).then(|| Fd::new("alias", crate::uapi::own(number)));
    s.must(format!("{mode} {place} is granted"), result.is_ok(), format_args!("it gave {}", outcome_name(&result)))?;
    s.equal("the first four bytes are as they were", [at(0), at(1), at(2), at(3)], bytes);
    let detail = if number == canaries { "they were not written" } else { "they hold something else" };
    s.must("the last four are the lowest free number", alias.is_some(), detail)?;
    let written = (0..PAGE).find(|index| !(offset..offset + 8).contains(index) && area.read(PAGE + index) != CANARY);
    let text = |index| Err(format!("the one at offset {} is", index as i64 - offset as i64));
    s.holds("no other byte is written", written.map_or(Ok(()), text));
    Ok(())
}
