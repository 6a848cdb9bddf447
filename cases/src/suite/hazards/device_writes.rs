//! A device that maps a read-only alias for writing.

use crate::prelude::*;

case! {
    /// A driver that imported a read-only alias maps the whole buffer for its device to write into, and begins CPU
    /// access for that. The same for a heap buffer exported O_RDONLY: the limit is older than aliases.
    "H-3", Hazard("the driver alone chooses the direction of a mapping; dma_buf_map_attachment() has no descriptor to compare it with"),
    Exporter::WITH_DEVICES, [TestImporter], [ALIASES, EXPORTED.only_on(Exporter::HEAP)],
    relies on [Importing]
}

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let (observer, fd) = s.only_reader(on, 2)?;
    judge(s, &observer, &fd, 2 * PAGE)
}

/// Lets a driver map a buffer without a writable descriptor for writing by the device.
fn judge(s: &mut Steps, observer: &BufferObserver, alias: &Fd, len: usize) -> CaseResult {
    let importer = observer.importer();
    for (direction, text) in
        [(Direction::FromDevice, "DMA_FROM_DEVICE"), (Direction::Bidirectional, "DMA_BIDIRECTIONAL")]
    {
        let handle = importer.import(alias.number());
        let Ok(handle) = handle else {
            s.hazard(format!("the test importer imports the {}", alias.name), false);
            return Ok(());
        };
        if importer.attach(handle).is_err() {
            s.hazard(format!("the test importer attaches to the {}", alias.name), false);
            return importer.put(handle).or_broken("putting a buffer");
        }
        let mapped = s.call(format!("map(handle, {text})"), |_| "mapped".into(), || importer.map(handle, direction));
        let whole = mapped.is_ok_and(|mapping| mapping.bytes == len as u64 && len == 2 * PAGE);
        s.hazard(format!("the whole buffer can be mapped for {text}"), whole);
        let begun = importer.begin_cpu(handle, direction);
        s.note(format!("begin_cpu_access for {text}: {}", outcome_name(&begun)));
        if begun.is_ok() {
            importer.end_cpu(handle, direction).or_broken("ending CPU access")?;
        }
        if mapped.is_ok() {
            importer.unmap(handle).or_broken("unmapping")?;
        }
        importer.detach(handle).or_broken("detaching")?;
        importer.put(handle).or_broken("putting a buffer")?;
    }
    Ok(())
}
