//! A driver that writes into a read-only alias with the CPU.

use crate::prelude::*;

case! {
    /// A driver that imported a read-only alias maps it into the kernel and writes to it; the bytes change for
    /// everybody. The same for a heap buffer exported O_RDONLY: the limit is older than aliases.
    "H-4", Hazard("dma_buf_vmap() has no read-only variant and does not know the descriptor"),
    Exporter::WITH_DEVICES, [TestImporter, KernelMapping], [ALIASES, EXPORTED.only_on(Exporter::HEAP)],
    relies on [Importing]
}

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let (observer, fd) = s.only_reader(on, 2)?;
    judge(s, &observer, &fd)
}

/// Lets a driver write with the CPU into a buffer of two pages without a writable descriptor.
fn judge(s: &mut Steps, observer: &BufferObserver, alias: &Fd) -> CaseResult {
    let seen = memory::map(alias.as_fd(), 2 * PAGE, libc::PROT_READ, libc::MAP_SHARED, 0);
    let seen = seen.or_broken("mapping a buffer for reading")?;
    let importer = observer.importer();
    let handle = importer.import(alias.number());
    let Ok(handle) = handle else {
        s.hazard(format!("the test importer imports the {}", alias.name), false);
        return Ok(());
    };
    let mapped = s.call("vmap(handle)", |()| "mapped".into(), || importer.vmap(handle));
    if mapped == Err(Errno::EOPNOTSUPP) {
        return Err(Abort::Lacks(Need::KernelMapping, "the exporter has no vmap".into()));
    }
    if mapped.is_err() {
        s.hazard("the driver gets a kernel mapping", false);
        return Ok(());
    }
    // Across a page boundary, in case only the first page is protected.
    let wrote = importer.vwrite(handle, PAGE as u64 - 2, b"evil");
    s.note(format!("writing through the kernel mapping: {}", outcome_name(&wrote)));
    let bytes: Vec<u8> = (PAGE - 2..PAGE + 2).map(|offset| seen.read(offset)).collect();
    s.hazard(format!("the bytes that the driver writes are visible through the {}", alias.name), bytes == b"evil");
    importer.vunmap(handle).or_broken("unmapping from the kernel")?;
    importer.put(handle).or_broken("putting a buffer")
}
