//! Mappings after every descriptor is closed.

use crate::prelude::*;

case! {
    /// Mappings made through the primary and through aliases show the buffer, and each other's writes, after every
    /// descriptor is closed, also on pages that were not touched before. The buffer is released once, after the last
    /// mapping is gone, whichever that is.
    "L-5", Contract, Exporter::WITH_DEVICES, [TestImporter], [ALIASES, EXPORTED]
}

const PAGES: usize = 4;

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    if on.fds() == FdKind::Exported {
        return one_descriptor(s, on);
    }
    for last in 0..3 {
        let buffer = s.export(on.exporter, PAGES)?;
        let (len, primary) = (buffer.len(), buffer.primary);
        let observer = BufferObserver::start(&primary)?;
        s.fill(&primary, len, 7)?;
        let descriptors = s.descriptors(primary)?;
        let mut mappings = Vec::new();
        for (fd, prot) in
            [(&descriptors.primary, RW), (&descriptors.read_write, RW), (&descriptors.read_only, libc::PROT_READ)]
        {
            let mapped = s.mmap(fd, len, prot, libc::MAP_SHARED);
            let mapping = s.succeeds(format!("{} can be mapped", fd.name), mapped)?;
            mappings.push((fd.name.clone(), mapping));
        }
        for fd in descriptors.into_vec() {
            s.close(fd);
        }
        if !outlives(s, &observer, mappings, last)? {
            return Ok(());
        }
    }
    Ok(())
}

fn one_descriptor(s: &mut Steps, on: CaseParams) -> CaseResult {
    let buffer = s.export(on.exporter, PAGES)?;
    let (len, primary) = (buffer.len(), buffer.primary);
    let observer = BufferObserver::start(&primary)?;
    s.fill(&primary, len, 7)?;
    let mut mappings = Vec::new();
    for (name, prot) in [("first mapping", RW), ("read-only mapping", libc::PROT_READ)] {
        let mapped = s.mmap(&primary, len, prot, libc::MAP_SHARED);
        mappings.push((name.to_string(), s.succeeds(format!("the {name} can be made"), mapped)?));
    }
    s.close(primary);
    outlives(s, &observer, mappings, 1).map(drop)
}

/// Uses mappings of a buffer without descriptors, then unmaps them, the one at index `last` at the end. The first of
/// `mappings` is writable. False when a check did not hold.
fn outlives(
    s: &mut Steps,
    observer: &BufferObserver,
    mut mappings: Vec<(String, Mapping)>,
    last: usize,
) -> CaseResult<bool> {
    let mut holds = s.holds("only mappings left: buffer alive", observer.alive()?);
    holds &= s.holds("every mapping shows the buffer's contents", all_show(&mappings, 7));
    for page in 0..PAGES {
        let value = pattern(page, 9);
        mappings[0].1.write(page * PAGE, value);
        mappings[0].1.write(page * PAGE + PAGE - 1, value);
    }
    holds &= s.holds("data written through one mapping is visible in all", all_show(&mappings, 9));

    let kept = mappings.remove(last);
    for (name, mapping) in mappings {
        drop(mapping);
        let shown = ensure(shows(&kept.1, 9), || "a page has wrong contents".into());
        let sentence = format!("munmap of {name}: buffer alive, {} shows the contents", kept.0);
        holds &= s.holds(sentence, observer.alive()?.and(shown));
    }
    drop(kept.1);
    holds &= s.holds(format!("munmap of {}: buffer released once", kept.0), observer.gone()?);
    Ok(holds)
}

fn all_show(mappings: &[(String, Mapping)], seed: u8) -> Result<(), String> {
    mappings.iter().try_for_each(|(name, mapping)| ensure(shows(mapping, seed), || name.clone()))
}

fn shows(mapping: &Mapping, seed: u8) -> bool {
    (0..PAGES).all(|page| {
        let want = pattern(page, seed);
        mapping.read(page * PAGE) == want && mapping.read(page * PAGE + PAGE - 1) == want
    })
}
