//! All descriptors show the same memory.

use crate::prelude::*;

case! {
    /// Data written through the primary or a read-write alias is visible on every page through the primary and every
    /// alias, between start and end of CPU access, also where a single page is mapped at its offset.
    "I-2", Contract, Exporter::ALL, [], [ALIASES, DUPLICATES]
}

/// An odd number, so that the parts of a list differ in length.
const PAGES: usize = 5;

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let primary = s.export(on.exporter, PAGES)?.primary;
    if on.fds() == FdKind::Duplicate {
        let duplicate = s.dup("duplicate", &primary)?;
        return judge(s, on.exporter, &[&primary, &duplicate], &[&primary, &duplicate]);
    }
    let descriptors = s.descriptors(primary)?;
    judge(s, on.exporter, &[&descriptors.primary, &descriptors.read_write], &descriptors.all())
}

/// Writes through each of `writers` and reads through each of `readers`.
fn judge(s: &mut Steps, exporter: Exporter, writers: &[&Fd], readers: &[&Fd]) -> CaseResult {
    for (round, writer) in writers.iter().enumerate() {
        let seed = 30 + round as u8;
        s.fill(writer, PAGES * PAGE, seed)?;
        for reader in readers {
            s.check_pattern(reader, PAGES * PAGE, seed)?;
            if round + 1 < writers.len() || !exporter.maps_at_offsets() {
                continue;
            }
            let wrong = wrong_offset(reader, seed);
            let detail = wrong
                .as_ref()
                .map_or_else(|errno| errno_name(*errno), |page| format!("page {} differs", page.unwrap_or_default()));
            let sentence = format!("single pages of {} mapped at their offsets hold pattern {seed}", reader.name);
            s.check(sentence, wrong == Ok(None), detail);
        }
    }
    Ok(())
}

/// The first page that differs when it is mapped alone.
fn wrong_offset(fd: &Fd, seed: u8) -> nix::Result<Option<usize>> {
    begin_cpu_access(fd.as_fd(), SyncAccess::Read)?;
    for page in 0..PAGES {
        let mapping = memory::map(fd.as_fd(), PAGE, libc::PROT_READ, libc::MAP_SHARED, (page * PAGE) as i64)?;
        if mapping.read(0) != pattern(page, seed) || mapping.read(PAGE - 1) != pattern(page, seed) {
            return Ok(Some(page));
        }
    }
    end_cpu_access(fd.as_fd(), SyncAccess::Read)?;
    Ok(None)
}
