//! The fences of a buffer, as include/linux/dma-resv.h and drivers/dma-buf/dma-resv.c promise them to user space.

use crate::model::point::{PointStatus, SyncPoint, TimelineValues};
use crate::uapi::dma_buf::SyncAccess;

/// A fence that was added.
#[derive(Clone, Copy, Debug)]
struct Held {
    point: SyncPoint,
    /// DMA_RESV_USAGE_WRITE, for which readers wait too; otherwise DMA_RESV_USAGE_READ.
    write: bool,
}

/// The fences that were added to a buffer and that it may still hold.
#[derive(Clone, Debug, Default)]
pub struct Reservation {
    held: Vec<Held>,
    /// A fence that has signalled may be in the buffer.
    signalled: bool,
}

impl Reservation {
    /// Adds the fences of a sync_file (dma_buf_import_sync_file(), dma_resv_add_fence()). With [`SyncAccess::Write`] or both they are
    /// write fences.
    pub fn add(&mut self, points: &[SyncPoint], access: SyncAccess, values: &TimelineValues) {
        let write = access != SyncAccess::Read;
        // An empty sync_file is a fence that has signalled.
        self.signalled |= points.is_empty();
        let mut points = points.to_vec();
        // The order in a sync_file is open. In this one, no fence of the sync_file surely replaces another.
        points.sort_by(|one, other| other.cmp(one));
        for point in points {
            self.signalled |= values.status(point) != PointStatus::Pending;
            self.add_one(Held { point, write });
        }
    }

    fn add_one(&mut self, new: Held) {
        let mut same = self.held.iter_mut().filter(|held| held.point.timeline == new.point.timeline);
        match (same.next(), same.next()) {
            // The new one is later, and everybody who waits for the old one waits for it.
            (Some(old), None) if !self.signalled && old.point.seqno < new.point.seqno && (new.write || !old.write) => {
                *old = new;
            }
            _ => self.held.push(new),
        }
    }

    /// A timeline was advanced or closed.
    pub fn signal(&mut self) {
        self.signalled = true;
    }

    /// The pending fences that a reader or a writer waits for, earlier ones of a timeline included.
    pub fn pending(&self, access: SyncAccess, values: &TimelineValues) -> Vec<SyncPoint> {
        let waits = |held: &&Held| held.write || access != SyncAccess::Read;
        values.pending(&self.held.iter().filter(waits).map(|held| held.point).collect::<Vec<_>>())
    }
}
