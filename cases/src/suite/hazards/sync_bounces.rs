//! SYNC, where devices use the buffer through bounce buffers.

use crate::prelude::*;

case! {
    /// In a guest whose devices all need bounce buffers, SYNC that ends a write through a read-only alias copies the buffer to the
    /// bounce buffer of a device, and SYNC that starts a read copies it back over what the producer has written since, also while the
    /// producer writes, whose own SYNC then succeeds. For a heap buffer a device has to have it mapped; udmabuf has a device of its own.
    "H-11", Hazard("SYNC does not ask for the access mode, and dma_sync_sgtable_for_cpu() writes to the buffer where its device needs bounce buffers"),
    Exporter::MAIN, [Derive, TestImporter, BounceBuffers],
    relies on [Importing]
}

const PAGES: usize = 2;
const LEN: usize = PAGES * PAGE;

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let primary = s.export(on.exporter, PAGES)?.primary;
    let observer = BufferObserver::start(&primary)?;
    let alias = s.must_derive("RO alias", &primary, RDONLY)?;
    let producer = memory::map(primary.as_fd(), LEN, RW, libc::MAP_SHARED, 0).or_broken("mapping a buffer")?;
    let importer = observer.importer();
    let handle = if on.exporter == Exporter::Udmabuf {
        None
    } else {
        let handle = importer.import(primary.number()).or_broken("importing a buffer")?;
        importer.attach(handle).or_broken("attaching a device")?;
        let mapped =
            s.call("map(handle, DMA_TO_DEVICE)", |_| "mapped".into(), || importer.map(handle, Direction::ToDevice));
        mapped.or_broken("mapping a buffer for a device")?;
        Some(handle)
    };
    let facts = observer.glance()?;
    s.note(format!("{} attachments of the buffer", facts.attachments));
    // udmabuf does not end what has not begun.
    sync(s, &alias, true, SyncAccess::Read);
    sync(s, &alias, false, SyncAccess::Read);

    write_all(&producer, 1);
    sync(s, &alias, true, SyncAccess::Write);
    sync(s, &alias, false, SyncAccess::Write);
    write_all(&producer, 2);
    sync(s, &alias, true, SyncAccess::Read);
    let undone = producer.count(1);
    s.note(format!("{} are what they were before the producer wrote", bytes_text(undone)));
    let wrong = (0..LEN).any(|offset| producer.read(offset) != 2);
    s.hazard("SYNC through the RO alias undoes what the producer wrote", wrong);
    sync(s, &alias, false, SyncAccess::Read);

    let begun =
        s.call("sync(primary, START|WRITE)", |()| "ok".into(), || begin_cpu_access(primary.as_fd(), SyncAccess::Write));
    begun.or_broken("beginning a CPU access")?;
    write_all(&producer, 3);
    sync(s, &alias, true, SyncAccess::Read);
    let ended =
        s.call("sync(primary, END|WRITE)", |()| "ok".into(), || end_cpu_access(primary.as_fd(), SyncAccess::Write));
    s.succeeds("the producer's SYNC ends", ended)?;
    let undone = LEN - producer.count(3);
    s.note(format!("{} are not what the producer wrote", bytes_text(undone)));
    s.hazard("the same while the producer writes between its own SYNCs", undone > 0);
    sync(s, &alias, false, SyncAccess::Read);
    if let Some(handle) = handle {
        importer.unmap(handle).or_broken("unmapping a buffer")?;
        importer.detach(handle).or_broken("detaching a device")?;
        importer.put(handle).or_broken("putting a buffer")?;
    }
    Ok(())
}

/// SYNC through a descriptor. Its result is for other clauses.
fn sync(s: &mut Steps, fd: &Fd, start: bool, access: SyncAccess) {
    let text = format!("sync({}, {}|{})", fd.name, if start { "START" } else { "END" }, access_text(access));
    let call = if start { begin_cpu_access } else { end_cpu_access };
    let _ = s.call(text, |()| "ok".into(), || call(fd.as_fd(), access));
}

/// How many bytes of the buffer.
fn bytes_text(bytes: usize) -> String {
    if bytes == LEN { "all bytes".into() } else { format!("{bytes} bytes") }
}

fn write_all(mapping: &Mapping, byte: u8) {
    (0..LEN).for_each(|offset| mapping.write(offset, byte));
}
