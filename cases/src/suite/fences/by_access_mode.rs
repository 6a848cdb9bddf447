//! What the fence and CPU access ioctls return on descriptors of every access mode.

use crate::prelude::*;
use crate::uapi::ioctl_struct;

case! {
    /// Records what SYNC, EXPORT_SYNC_FILE, IMPORT_SYNC_FILE and poll return for reading and writing on heap
    /// descriptors of each of the four access modes, and what SYNC returns for invalid flags, in the wrong order and
    /// twice.
    "F-8", Record, Exporter::HEAP, [SwSync],
    relies on [Polling]
}

const ACCESSES: [SyncAccess; 3] = [SyncAccess::Read, SyncAccess::Write, SyncAccess::ReadWrite];

fn run(s: &mut Steps, _: CaseParams) -> CaseResult {
    for (name, mode) in [
        ("O_RDWR", libc::O_RDWR),
        ("O_RDONLY", libc::O_RDONLY),
        ("O_WRONLY", libc::O_WRONLY),
        ("mode 3", libc::O_ACCMODE),
    ] {
        let fd = s.heap_export(&format!("{name} heap buffer"), 1, (mode | libc::O_CLOEXEC) as u32)?;
        let list = |call: &dyn Fn(SyncAccess) -> Result<(), Errno>| {
            ACCESSES.map(|access| format!("{} {}", access_text(access), outcome_name(&call(access)))).join(", ")
        };
        let synced =
            list(&|access| begin_cpu_access(fd.as_fd(), access).and_then(|()| end_cpu_access(fd.as_fd(), access)));
        s.note(format!("{name}, SYNC: {synced}"));
        s.note(format!("{name}, EXPORT_SYNC_FILE: {}", list(&|access| export_sync_file(fd.as_fd(), access).map(drop))));
        let timeline = Timeline::new()?;
        let fence = timeline.fence(1)?;
        for access in ACCESSES {
            let imported = outcome_name(&import_sync_file(fd.as_fd(), access, fence.as_fd()));
            let ready = poll_text(poll_now(&fd).or_broken("poll")?);
            s.note(format!("{name}, IMPORT_SYNC_FILE for {}: {imported}, then poll: {ready}", access_text(access)));
        }
        timeline.advance()?;
        s.note(format!("{name}, poll after the fence signals: {}", poll_text(poll_now(&fd).or_broken("poll")?)));
    }
    let fd = s.heap_export("heap buffer", 1, (libc::O_RDWR | libc::O_CLOEXEC) as u32)?;
    let sync = |flags: u64| {
        let mut flags = flags;
        outcome_name(&ioctl_struct(fd.as_fd(), ioc(IOC_WRITE, b'b', 0, 8), &mut flags))
    };
    for (what, flags) in [
        ("no direction", 0),
        ("end without a direction", 4),
        ("end without a start", 4 | 3),
        ("start", 3),
        ("start again", 3),
        ("end", 4 | 3),
        ("end for less than was started", 4 | 1),
        ("the lowest unknown flag", 8),
        ("the highest unknown flag", 1 << 63),
    ] {
        s.note(format!("SYNC, {what}: {}", sync(flags)));
    }
    Ok(())
}
