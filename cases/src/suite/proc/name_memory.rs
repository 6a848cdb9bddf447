//! The memory of names.

use crate::prelude::*;

case! {
    /// A buffer that is named again and again, and buffers that are named and closed, give the memory of their names
    /// back: by the kernel's own count, the slab caches for small objects do not grow by an object for each name.
    "PROC-2", Contract, Exporter::HEAP, [TestImporter],
    relies on [Listing]
}

/// Objects of the size of a name, with 31 letters and the final NUL, and of twice that.
const SIZES: [&str; 2] = ["32", "64"];
const NAME: &std::ffi::CStr = c"a-name-of-thirty-one-letters-xx";
const NAMES: usize = 512;
const BUFFERS: usize = 160;

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let primary = s.export(on.exporter, 1)?.primary;
    let caches = SlabCaches::of(&SIZES)?;
    let named = caches.grow(NAMES, |count| (0..count).try_for_each(|_| set_name(primary.as_fd(), NAME)))?;
    s.holds(format!("{NAMES} names of one buffer: the memory of the old ones is freed"), named);

    let exporting = Exporting::prepare(on.exporter, 1).or_broken("preparing an export")?;
    let export = || exporting.export().and_then(|buffer| set_name(buffer.as_fd(), NAME));
    let closed = caches.grow(BUFFERS, |count| (0..count).try_for_each(|_| export()))?;
    s.holds(format!("{BUFFERS} named buffers closed: the memory of their names is freed"), closed);
    Ok(())
}
