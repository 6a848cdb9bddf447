//! Where the memory of a buffer is.

use std::fs;

use crate::prelude::*;

case! {
    /// A private mapping of a heap buffer of one piece has the number of its page frame as its offset in /proc/self/maps: so
    /// remap_pfn_range() marks what it maps, and a process without privileges learns where the buffer is. Records for each
    /// mapping of the primary and of a read-only alias whether its offset is that of the buffer, or an address in RAM that
    /// differs from that of another buffer.
    "R-5", Record, Exporter::MAIN, [], [EXPORTED, ALIASES.only_on(Exporter::HEAP)]
}

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let primary = s.export(on.exporter, 1)?.primary;
    let other = export(on.exporter, 1).or_broken("export of a buffer")?.primary;
    let alias = s.alias_if(on.fds(), "RO alias", &primary, RDONLY)?;
    let ram = ram()?;
    for fd in alias.iter().chain([&primary]) {
        for flags in [libc::MAP_SHARED, libc::MAP_PRIVATE] {
            let mapping = s.mmap(fd, PAGE, libc::PROT_READ, flags);
            let Ok(mapping) = mapping else { continue };
            let offset = offset_shown(&mapping)?;
            let beside = memory::map(other.as_fd(), PAGE, libc::PROT_READ, flags, 0).or_broken("mapping a buffer")?;
            let text = if offset == 0 {
                "0"
            } else if offset != offset_shown(&beside)?
                && ram.iter().any(|(first, last)| (first..=last).contains(&&offset))
            {
                "an address in RAM"
            } else {
                "another number"
            };
            s.note(format!("the offset in maps of this mapping of {} is {text}", fd.name));
        }
    }
    Ok(())
}

/// The offset in /proc/self/maps of a mapping from offset 0.
fn offset_shown(mapping: &Mapping) -> CaseResult<u64> {
    let maps = fs::read_to_string("/proc/self/maps").or_broken("/proc/self/maps")?;
    let start = format!("{:x}-", mapping.address());
    let line = maps.lines().find(|line| line.trim_start_matches('0').starts_with(&start));
    let offset = line.and_then(|line| u64::from_str_radix(line.split_whitespace().nth(2)?, 16).ok());
    offset.ok_or("no line").or_broken("finding a mapping in /proc/self/maps")
}

/// The addresses of the memory of the machine: the first and the last of each range.
fn ram() -> CaseResult<Vec<(u64, u64)>> {
    let text = fs::read_to_string("/proc/iomem").or_broken("/proc/iomem")?;
    let ranges = text.lines().filter_map(|line| line.split_once(" : ").filter(|(_, what)| *what == "System RAM"));
    let number = |text: &str| u64::from_str_radix(text, 16).ok();
    Ok(ranges
        .filter_map(|(range, _)| range.split_once('-').and_then(|(a, b)| Some((number(a)?, number(b)?))))
        .collect())
}
