//! A device that reads a buffer through a read-only descriptor.

use crate::prelude::*;

case! {
    /// A driver imports a read-only alias, attaches its device, maps the whole buffer for the device to read, and gives everything
    /// back. The same for a heap buffer exported O_RDONLY.
    "C-1", Contract, Exporter::MAIN, [TestImporter], [ALIASES, EXPORTED.only_on(Exporter::HEAP)],
    relies on [Importing]
}

const PAGES: usize = 2;

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let (observer, fd) = s.only_reader(on, PAGES)?;
    judge(s, &observer, &fd)
}

/// Lets a driver map a buffer without a writable descriptor for reading by the device.
fn judge(s: &mut Steps, observer: &BufferObserver, fd: &Fd) -> CaseResult {
    let importer = observer.importer();
    let before = observer.counts(&[fd])?;
    let handle = s.call(format!("import({})", fd.name), |_| "handle".into(), || importer.import(fd.number()));
    let handle = s.succeeds(format!("a driver imports the {}", fd.name), handle)?;
    let attached = s.call("attach(handle)", |()| "ok".into(), || importer.attach(handle));
    s.succeeds("its device is attached", attached)?;
    let map = || importer.map(handle, Direction::ToDevice);
    let mapped = s.call("map(handle, DMA_TO_DEVICE)", |_| "mapped".into(), map);
    let mapped = s.succeeds("the buffer can be mapped for DMA_TO_DEVICE", mapped)?;
    s.equal("bytes that are mapped", mapped.bytes, (PAGES * PAGE) as u64);
    importer.unmap(handle).or_broken("unmapping")?;
    importer.detach(handle).or_broken("detaching")?;
    importer.put(handle).or_broken("putting a buffer")?;
    s.about("L-3").holds("reference counts unchanged", observer.unchanged(&[fd], &before)?);
    Ok(())
}
