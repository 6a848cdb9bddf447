//! The uAPI of a buffer and of its fences, called by a 32-bit program.

use crate::prelude::*;
use crate::uapi::sync_file::{FILE_INFO, MERGE, merge_bytes};

case! {
    /// SYNC, SET_NAME, EXPORT_SYNC_FILE, IMPORT_SYNC_FILE, MERGE, FILE_INFO, CREATE_FENCE and INC give a 32-bit caller
    /// what they give a 64-bit caller for the same argument, also for wrong flags and unreadable arguments.
    "UAPI-8", Contract, Exporter::HEAP, [SwSync, Compat], [ALIASES, DUPLICATES]
}

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let primary = s.export(on.exporter, 1)?.primary;
    let descriptors = s.descriptors_of(on.fds(), primary)?.into_vec();
    let timeline = Timeline::new()?;
    let (fence, later) = (timeline.next()?, timeline.next()?);
    let area = anonymous_low(PAGE, RW).or_broken("a page below 4 GiB")?;
    let create = [3_u32.to_le_bytes().as_slice(), &[0; 36]].concat();
    let number = fence.as_raw_fd();
    for (name, fd, request, argument) in [
        ("SYNC", descriptors[2].as_fd(), dma_buf::SYNC, 1_u64.to_le_bytes().to_vec()),
        ("SYNC with wrong flags", descriptors[2].as_fd(), dma_buf::SYNC, (1_u64 << 32 | 1).to_le_bytes().to_vec()),
        ("SET_NAME_A", descriptors[1].as_fd(), dma_buf::SET_NAME_A, b"by-32-bit\0".to_vec()),
        ("SET_NAME_B", descriptors[1].as_fd(), dma_buf::SET_NAME_B, b"by-32-bit\0".to_vec()),
        (
            "EXPORT_SYNC_FILE",
            descriptors[3].as_fd(),
            dma_buf::EXPORT_SYNC_FILE,
            dma_buf::sync_file_bytes(SyncAccess::Read, -1),
        ),
        (
            "IMPORT_SYNC_FILE",
            descriptors[3].as_fd(),
            dma_buf::IMPORT_SYNC_FILE,
            dma_buf::sync_file_bytes(SyncAccess::Read, number),
        ),
        (
            "IMPORT_SYNC_FILE of -1",
            descriptors[3].as_fd(),
            dma_buf::IMPORT_SYNC_FILE,
            dma_buf::sync_file_bytes(SyncAccess::Read, -1),
        ),
        ("MERGE", fence.as_fd(), MERGE, merge_bytes(later.as_fd())),
        ("FILE_INFO", fence.as_fd(), FILE_INFO, vec![0; 56]),
        ("CREATE_FENCE", timeline.as_fd(), sw_sync::CREATE_FENCE, create),
        ("INC by 0", timeline.as_fd(), sw_sync::INC, vec![0; 4]),
    ] {
        let mut seen = Vec::new();
        for call in [AS_64_BIT, AS_32_BIT] {
            let next = next_number(&descriptors[0])?;
            for (index, byte) in argument.iter().enumerate() {
                area.write(index, *byte);
            }
            let result = call(fd.as_raw_fd(), request, area.address());
            let bytes: Vec<u8> = (0..argument.len()).map(|index| area.read(index)).collect();
            // A call that makes a descriptor makes the lowest free one.
            let made = close_number(next).is_ok();
            let unreadable = call(fd.as_raw_fd(), request, 0);
            seen.push((result, bytes, made, unreadable));
        }
        let text = || {
            let part = |(result, bytes, made, unreadable): &(Result<i32, Errno>, Vec<u8>, bool, Result<i32, Errno>)| {
                let unreadable = outcome_name(unreadable);
                format!("{}, {bytes:02x?}, descriptor {made}, for NULL {unreadable}", outcome_name(result))
            };
            format!("64 bits: {}; 32 bits: {}", part(&seen[0]), part(&seen[1]))
        };
        s.holds(format!("{name}: the same for both callers"), ensure(seen[0] == seen[1], text));
    }
    Ok(())
}
