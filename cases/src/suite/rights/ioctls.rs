//! The ioctls of a dma-buf, through a read-only descriptor, while devices use the buffer.

use crate::prelude::*;

case! {
    /// Every ioctl of a dma-buf, with right and wrong arguments, through a read-only alias, leaves every byte of the buffer as the
    /// producer wrote it: with no device, with a device attached, with the buffer mapped for a device to read or to write, and inside
    /// the producer's own CPU access. What the ioctls answer is for other clauses.
    "R-11", Contract, Exporter::WITH_DEVICES, [TestImporter, SwSync], [ALIASES, EXPORTED.only_on(Exporter::HEAP)],
    relies on [Importing]
}

const PAGES: usize = 3;
const LEN: usize = PAGES * PAGE;

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let importer = Importer::open().or_broken("opening the test importer")?;
    // Nobody can write to a buffer that was exported O_RDONLY: it stays zero.
    let (reader, writer) = if on.fds() == FdKind::Exported {
        let reader = s.heap_export("O_RDONLY heap buffer", PAGES, RDONLY)?;
        (reader, None)
    } else {
        let primary = s.export(on.exporter, PAGES)?.primary;
        (s.must_derive("RO alias", &primary, RDONLY)?, Some(primary))
    };
    let seen = memory::map(reader.as_fd(), LEN, libc::PROT_READ, libc::MAP_SHARED, 0);
    let seen = seen.or_broken("mapping a buffer for reading")?;
    let written = writer.as_ref().map(|primary| memory::map(primary.as_fd(), LEN, RW, libc::MAP_SHARED, 0));
    let written = written.transpose().or_broken("mapping a buffer for writing")?;
    let device = writer.as_ref().unwrap_or(&reader);
    let unchanged = |s: &mut Steps, when: &str| -> CaseResult {
        let mut found = Ok(());
        for (turn, (what, call)) in CALLS.iter().enumerate() {
            // What the producer writes before each call is not what a bounce buffer holds from the call before.
            let byte = |offset: usize| if written.is_some() { (offset * 7 + turn) as u8 ^ 0x5a } else { 0 };
            if let Some(written) = &written {
                (0..LEN).for_each(|offset| written.write(offset, byte(offset)));
            }
            call(&reader)?;
            let wrong = (0..LEN).find(|offset| seen.read(*offset) != byte(*offset));
            let text = || format!("{what}: byte {} changed", wrong.unwrap_or_default());
            found = found.and(ensure(wrong.is_none(), text));
        }
        s.must_hold(format!("{when}: no ioctl through the {} changes a byte", reader.name), found)
    };

    unchanged(s, "with no device")?;
    let handle = match importer.import(device.number()) {
        refusal if reader_refused(device, &refusal) => return Ok(()),
        handle => handle.or_broken("importing a buffer")?,
    };
    importer.attach(handle).or_broken("attaching a device")?;
    unchanged(s, "with a device attached")?;
    importer.detach(handle).or_broken("detaching a device")?;
    for (direction, text) in [
        (Direction::ToDevice, "DMA_TO_DEVICE"),
        (Direction::FromDevice, "DMA_FROM_DEVICE"),
        (Direction::Bidirectional, "DMA_BIDIRECTIONAL"),
    ] {
        // A new attachment each time: udmabuf of 6.1 keeps a mapping, with its direction, as long as the device is attached.
        importer.attach(handle).or_broken("attaching a device")?;
        importer.map(handle, direction).or_broken("mapping a buffer")?;
        unchanged(s, &format!("mapped for {text}"))?;
        if let Some(primary) = &writer {
            begin_cpu_access(primary.as_fd(), SyncAccess::Write).or_broken("beginning a CPU access")?;
            unchanged(s, &format!("mapped for {text}, while the producer writes"))?;
            end_cpu_access(primary.as_fd(), SyncAccess::Write).or_broken("ending a CPU access")?;
        }
        importer.unmap(handle).or_broken("unmapping a buffer")?;
        importer.detach(handle).or_broken("detaching a device")?;
    }
    importer.put(handle).or_broken("putting a buffer")
}

/// Calls ioctls; their results are for other clauses.
type Calls = fn(&Fd) -> CaseResult;

const CALLS: [(&str, Calls); 8] = [
    ("SYNC for reading", |fd| sync(fd, &[SyncAccess::Read])),
    ("SYNC for writing", |fd| sync(fd, &[SyncAccess::Write])),
    ("SYNC for both", |fd| sync(fd, &[SyncAccess::ReadWrite])),
    ("SYNC that starts for reading and ends for writing", |fd| {
        let _ = begin_cpu_access(fd.as_fd(), SyncAccess::Read);
        let _ = end_cpu_access(fd.as_fd(), SyncAccess::Write);
        let _ = begin_cpu_access(fd.as_fd(), SyncAccess::Read);
        Ok(())
    }),
    ("SYNC with wrong flags", |fd| {
        for bit in 3..16 {
            let _ = dma_buf::sync(fd.as_fd(), 1 << bit);
        }
        Ok(())
    }),
    ("SET_NAME", |fd| {
        let _ = set_name(fd.as_fd(), c"named");
        Ok(())
    }),
    ("EXPORT_SYNC_FILE and IMPORT_SYNC_FILE", |fd| {
        let timeline = Timeline::new()?;
        let fence = timeline.next()?;
        for access in SyncAccess::ALL {
            let _ = import_sync_file(fd.as_fd(), access, fence.as_fd());
            let _ = export_sync_file(fd.as_fd(), access);
        }
        timeline.advance()
    }),
    ("DERIVE", |fd| {
        for flags in [RDONLY, RDWR, u32::MAX] {
            let _ = derive(fd.as_fd(), flags);
        }
        Ok(())
    }),
];

fn sync(fd: &Fd, accesses: &[SyncAccess]) -> CaseResult {
    for access in accesses {
        // What is ended before it began, and begun twice, too.
        let _ = end_cpu_access(fd.as_fd(), *access);
        let _ = begin_cpu_access(fd.as_fd(), *access);
        let _ = begin_cpu_access(fd.as_fd(), *access);
        let _ = end_cpu_access(fd.as_fd(), *access);
    }
    Ok(())
}
