//! A step of a sequence: one call on a buffer, a sync_file or a timeline.
//!
//! Steps name fences and sync_files absolutely, so that a sequence keeps its meaning when steps are left out.

use crate::fixture::fence::access_text;
use crate::model::point::{SyncPoint, TIMELINES};
use crate::uapi::dma_buf::SyncAccess;

/// How many sync_files a sequence can keep.
pub const FILES: usize = 3;

/// A sync_file that a step uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FenceSource {
    /// A new one of a single fence.
    Point(SyncPoint),
    /// One that an earlier step has kept, by its number below [`FILES`].
    File(usize),
}

/// One step. `fd` is the index of a descriptor of the buffer, `file` the number of a kept sync_file, `timeline` an index in
/// [`TIMELINES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum ModelStep {
    /// `DMA_BUF_IOCTL_IMPORT_SYNC_FILE`.
    Import { fd: usize, access: SyncAccess, from: FenceSource },
    /// `DMA_BUF_IOCTL_EXPORT_SYNC_FILE`; the result is kept.
    Export { fd: usize, access: SyncAccess, file: usize },
    /// `SYNC_IOC_MERGE`; the result is kept.
    Merge { first: FenceSource, second: FenceSource, file: usize },
    /// Advances a timeline to a number, which signals fences.
    Signal { timeline: usize, to: u32 },
    /// Closes a timeline, which ends its pending fences with an error.
    Close { timeline: usize },
    /// poll(2) for POLLIN, POLLOUT or both, without waiting.
    Poll { fd: usize, events: SyncAccess },
    /// poll(2) on a kept sync_file.
    PollFile { file: usize },
    /// `DMA_BUF_IOCTL_SYNC`: begins and ends a CPU access.
    Sync { fd: usize, access: SyncAccess },
}

impl ModelStep {
    /// The step as transcripts write it. `fds` are the names of the descriptors.
    pub fn text(&self, fds: &[&str]) -> String {
        match *self {
            ModelStep::Import { fd, access, from } => {
                format!("import_sync_file({}, {}, {})", fds[fd], access_text(access), from.text())
            }
            ModelStep::Export { fd, access, file } => {
                format!("{} = export_sync_file({}, {})", file_name(file), fds[fd], access_text(access))
            }
            ModelStep::Merge { first, second, file } => {
                format!("{} = merge({}, {})", file_name(file), first.text(), second.text())
            }
            ModelStep::Signal { timeline, to } => format!("signal {} to {to}", TIMELINES[timeline]),
            ModelStep::Close { timeline } => format!("close timeline {}", TIMELINES[timeline]),
            ModelStep::Poll { fd, events } => format!("poll({}, {})", fds[fd], events_text(events)),
            ModelStep::PollFile { file } => format!("poll({}, POLLIN)", file_name(file)),
            ModelStep::Sync { fd, access } => format!("sync({}, START|{})", fds[fd], access_text(access)),
        }
    }

    /// The step through another descriptor. None for a step that uses no descriptor of the buffer.
    pub fn through(self, other: usize) -> Option<Self> {
        match self {
            ModelStep::Import { access, from, .. } => Some(ModelStep::Import { fd: other, access, from }),
            ModelStep::Export { access, file, .. } => Some(ModelStep::Export { fd: other, access, file }),
            ModelStep::Poll { events, .. } => Some(ModelStep::Poll { fd: other, events }),
            ModelStep::Sync { access, .. } => Some(ModelStep::Sync { fd: other, access }),
            _ => None,
        }
    }

    /// The step for writing, if it is for reading and writing.
    pub fn only_writing(self) -> Option<Self> {
        let access = SyncAccess::Write;
        match self {
            ModelStep::Import { fd, access: SyncAccess::ReadWrite, from } => {
                Some(ModelStep::Import { fd, access, from })
            }
            ModelStep::Export { fd, access: SyncAccess::ReadWrite, file } => {
                Some(ModelStep::Export { fd, access, file })
            }
            ModelStep::Poll { fd, events: SyncAccess::ReadWrite } => Some(ModelStep::Poll { fd, events: access }),
            ModelStep::Sync { fd, access: SyncAccess::ReadWrite } => Some(ModelStep::Sync { fd, access }),
            _ => None,
        }
    }
}

impl FenceSource {
    fn text(self) -> String {
        match self {
            FenceSource::Point(point) => point.to_string(),
            FenceSource::File(file) => file_name(file),
        }
    }
}

/// The name of a kept sync_file.
pub fn file_name(file: usize) -> String {
    format!("f{}", file + 1)
}

/// The events of a poll(2) that a reader, a writer, or who does both waits for.
pub fn events_text(access: SyncAccess) -> &'static str {
    match access {
        SyncAccess::Read => "POLLIN",
        SyncAccess::Write => "POLLOUT",
        SyncAccess::ReadWrite => "POLLIN|POLLOUT",
    }
}
