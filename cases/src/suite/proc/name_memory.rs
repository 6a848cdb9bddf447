//! The memory of names.

use std::fs;

use crate::prelude::*;

case! {
    /// A buffer that is named again and again, and buffers that are named and closed, give the memory of their names
    /// back: by the kernel's own count, the slab caches for small objects do not grow by an object for each name.
    "PROC-2", Contract, Exporter::HEAP, [TestImporter],
    relies on [Listing]
}

/// Caches for objects of the size of a name, with 31 letters and the final NUL, and twice that.
const CACHES: [&str; 2] = ["/sys/kernel/slab/kmalloc-32", "/sys/kernel/slab/kmalloc-64"];
const NAME: &std::ffi::CStr = c"a-name-of-thirty-one-letters-xx";
const NAMES: usize = 512;
const BUFFERS: usize = 160;
/// Objects that the rest of the kernel may allocate meanwhile, and that a processor may keep for itself.
const SLACK: u64 = 64;

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let primary = s.export(on.exporter, 1)?.primary;
    let importer = Importer::open().or_broken("opening the test importer")?;
    let named = grows(&importer, NAMES, || set_name(primary.as_fd(), NAME))?;
    s.holds(format!("{NAMES} names of one buffer: the memory of the old ones is freed"), named);

    let exporting = Exporting::prepare(on.exporter, 1).or_broken("preparing an export")?;
    let closed = grows(&importer, BUFFERS, || exporting.export().and_then(|buffer| set_name(buffer.as_fd(), NAME)))?;
    s.holds(format!("{BUFFERS} named buffers closed: the memory of their names is freed"), closed);
    Ok(())
}

/// Whether the caches grow in both of two rounds; the first one may fill what processors keep for themselves.
fn grows(importer: &Importer, count: usize, act: impl Fn() -> Result<(), Errno>) -> CaseResult<Result<(), String>> {
    let mut smallest = u64::MAX;
    for _ in 0..2 {
        let before = objects(importer)?;
        if let Err(errno) = (0..count).try_for_each(|_| act()) {
            return Ok(Err(gave(errno)));
        }
        smallest = smallest.min(objects(importer)?.saturating_sub(before));
    }
    Ok(ensure(smallest <= SLACK, || format!("{smallest} more objects in use after each round")))
}

/// Objects in use, once nothing is left to be freed: shrinking a cache also ends KASAN's quarantine of its objects.
fn objects(importer: &Importer) -> CaseResult<u64> {
    wait_for_deferred_work(importer)?;
    let mut total = 0;
    for cache in CACHES {
        fs::write(format!("{cache}/shrink"), "1").or_broken(cache)?;
        let text = fs::read_to_string(format!("{cache}/objects")).or_broken(cache)?;
        let count = text.split_whitespace().next().and_then(|number| number.parse::<u64>().ok());
        total += count.ok_or("no number of objects").or_broken(cache)?;
    }
    Ok(total)
}
