//! A simulated kernel for tests: reservation object, poll callbacks and fence arrays work as in the kernel, slot by slot, so it
//! is right in other ways than the model. With a [`Bug`] it is wrong.

use std::cell::Cell;
use std::rc::Rc;

use nix::errno::Errno;

use crate::model::expect::{Reply, SyncFileView};
use crate::model::point::{SyncPoint, TIMELINES};
use crate::model::step::{FILES, FenceSource, ModelStep};
use crate::model::subject::{CallFailure, Subject};
use crate::uapi::dma_buf::SyncAccess;
use crate::uapi::sync_file::{FenceInfo, SyncFileInfo};

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bug {
    /// A new fence replaces one of the same timeline, even a later one (CVE-2022-49935).
    EarlierReplacesLater,
    /// A later fence is added beside the earlier one.
    NothingIsReplaced,
    /// A read fence replaces a write fence of the same timeline.
    ReadReplacesWrite,
    /// An import with both directions adds a read fence.
    BothIsRead,
    /// A merged sync_file is added as one fence.
    ContainerIsAdded,
    /// POLLOUT is ready as soon as the first fence that it waited for has signalled.
    OneFenceIsEnough,
    /// POLLIN waits for read fences, too.
    ReaderWaitsForReaders,
    /// SYNC returns at once.
    SyncDoesNotWait,
    /// SYNC for writing waits for write fences only.
    SyncForgetsReaders,
    /// An export for reading has the read fences.
    ExportHasAll,
    /// An export for writing has the write fences only.
    ExportLacksReaders,
    /// A fence array that nobody polls never signals.
    ArrayNeverSignals,
    /// Each descriptor has fences of its own.
    AliasesHaveTheirOwn,
    /// Closing a timeline signals its fences without an error.
    ErrorIsLost,
    /// A merge keeps the earlier of two fences of a timeline.
    MergeKeepsEarlier,
    /// A merge forgets the fences of the second sync_file if it is an array.
    MergeForgetsArray,
}

impl Bug {
    /// All of them, each with the number of steps that show it.
    pub(super) const ALL: [(Bug, usize); 16] = [
        (Bug::EarlierReplacesLater, 2),
        (Bug::NothingIsReplaced, 2),
        (Bug::ReadReplacesWrite, 2),
        (Bug::BothIsRead, 1),
        (Bug::ContainerIsAdded, 3),
        (Bug::OneFenceIsEnough, 3),
        (Bug::ReaderWaitsForReaders, 1),
        (Bug::SyncDoesNotWait, 2),
        (Bug::SyncForgetsReaders, 2),
        (Bug::ExportHasAll, 1),
        (Bug::ExportLacksReaders, 1),
        (Bug::ArrayNeverSignals, 5),
        (Bug::AliasesHaveTheirOwn, 1),
        (Bug::ErrorIsLost, 3),
        (Bug::MergeKeepsEarlier, 1),
        (Bug::MergeForgetsArray, 3),
    ];
}

#[derive(Debug)]
enum SimFence {
    Stub,
    Leaf(SyncPoint),
    Array { fences: Vec<Rc<SimFence>>, waited: Cell<bool> },
}

/// The kernel.
#[derive(Debug)]
pub(super) struct SimKernel {
    bug: Option<Bug>,
    values: [u32; TIMELINES.len()],
    closed: [bool; TIMELINES.len()],
    /// The slots of each reservation object; there is one, but for one bug.
    slots: Vec<Vec<(Rc<SimFence>, bool)>>,
    files: [Option<Rc<SimFence>>; FILES],
    /// The fence that the callback of POLLIN and that of POLLOUT is on.
    callbacks: [Option<Rc<SimFence>>; 2],
}

impl SimKernel {
    pub(super) fn new(bug: Option<Bug>, fds: usize) -> Self {
        SimKernel {
            bug,
            values: Default::default(),
            closed: Default::default(),
            slots: vec![Vec::new(); fds],
            files: Default::default(),
            callbacks: Default::default(),
        }
    }

    fn has(&self, bug: Bug) -> bool {
        self.bug == Some(bug)
    }

    fn object(&self, fd: usize) -> usize {
        if self.has(Bug::AliasesHaveTheirOwn) { fd } else { 0 }
    }

    /// As dma_fence_get_status().
    fn status(&self, fence: &SimFence) -> i32 {
        match fence {
            SimFence::Stub => 1,
            SimFence::Leaf(point) if point.seqno <= self.values[point.timeline] => 1,
            SimFence::Leaf(point) if !self.closed[point.timeline] => 0,
            SimFence::Leaf(_) if self.has(Bug::ErrorIsLost) => 1,
            SimFence::Leaf(_) => -(Errno::ENOENT as i32),
            SimFence::Array { waited, .. } if self.has(Bug::ArrayNeverSignals) && !waited.get() => 0,
            SimFence::Array { fences, waited } => {
                let all: Vec<i32> = fences.iter().map(|fence| self.status(fence)).collect();
                match all.iter().find(|status| **status < 0) {
                    _ if all.contains(&0) => 0,
                    Some(error) if waited.get() => *error,
                    _ => 1,
                }
            }
        }
    }

    fn pending(&self, fence: &SimFence) -> bool {
        self.status(fence) == 0
    }

    fn source(&self, source: FenceSource) -> Rc<SimFence> {
        match source {
            FenceSource::Point(point) => Rc::new(SimFence::Leaf(point)),
            FenceSource::File(file) => self.files[file].clone().expect("the step is allowed"),
        }
    }

    /// As dma_resv_add_fence().
    fn add(&mut self, object: usize, new: Rc<SimFence>, write: bool) {
        let replaces = |(old, old_write): &(Rc<SimFence>, bool)| match (&*new, &**old) {
            (SimFence::Leaf(new), SimFence::Leaf(old)) if new.timeline == old.timeline => {
                let later = new.seqno >= old.seqno || self.has(Bug::EarlierReplacesLater);
                let covers = write || !*old_write || self.has(Bug::ReadReplacesWrite);
                later && covers && !self.has(Bug::NothingIsReplaced)
            }
            _ => false,
        };
        let slot = self.slots[object].iter().position(|slot| replaces(slot) || !self.pending(&slot.0));
        match slot {
            Some(slot) => self.slots[object][slot] = (new, write),
            None => self.slots[object].push((new, write)),
        }
    }

    /// As dma_resv_for_each_fence() with dma_resv_usage_rw().
    fn waited_for(&self, object: usize, all: bool) -> Vec<Rc<SimFence>> {
        let slots = self.slots[object].iter().filter(|(fence, write)| (*write || all) && self.pending(fence));
        slots.map(|(fence, _)| Rc::clone(fence)).collect()
    }

    /// As dma_resv_get_singleton().
    fn export(&self, fd: usize, access: SyncAccess) -> Rc<SimFence> {
        let all = match access {
            SyncAccess::Read => self.has(Bug::ExportHasAll),
            _ => !self.has(Bug::ExportLacksReaders),
        };
        array(self.waited_for(self.object(fd), all))
    }

    fn poll(&mut self, fd: usize, events: SyncAccess) -> Reply {
        let mut ready = [events != SyncAccess::Write, events != SyncAccess::Read];
        for (index, ready) in ready.iter_mut().enumerate().filter(|(_, wanted)| **wanted) {
            let all = index == 1 || self.has(Bug::ReaderWaitsForReaders);
            let before = self.callbacks[index].take();
            if let Some(fence) = before {
                if self.pending(&fence) {
                    *ready = false;
                    self.callbacks[index] = Some(fence);
                    continue;
                }
                if index == 1 && self.has(Bug::OneFenceIsEnough) {
                    continue;
                }
            }
            self.callbacks[index] = self.waited_for(self.object(fd), all).into_iter().next();
            *ready = self.callbacks[index].is_none();
        }
        Reply::Ready { read: ready[0], write: ready[1] }
    }

    /// As sync_file_ioctl_fence_info().
    fn view(&self, fence: &SimFence) -> SyncFileView {
        let rows: Vec<FenceInfo> = leaves(fence).iter().map(|leaf| self.row(leaf)).collect();
        let status = rows.iter().fold(1, |status, row| if status <= 0 { status } else { row.status });
        let name = match fence {
            SimFence::Leaf(point) => format!("sw_sync-{}17-{}", TIMELINES[point.timeline], point.seqno),
            _ => "unbound".into(),
        };
        SyncFileView { info: SyncFileInfo { name, status, fences: rows }, whole: self.status(fence) }
    }

    fn row(&self, leaf: &SimFence) -> FenceInfo {
        let (driver, timeline) = match leaf {
            SimFence::Leaf(point) => ("sw_sync", TIMELINES[point.timeline]),
            SimFence::Stub => ("stub", "stub"),
            SimFence::Array { .. } => ("dma_fence_array", "unbound"),
        };
        FenceInfo { timeline: timeline.into(), driver: driver.into(), status: self.status(leaf), timestamp_ns: 0 }
    }

    fn merge(&self, first: &SimFence, second: &SimFence) -> Rc<SimFence> {
        let forgets = self.has(Bug::MergeForgetsArray) && matches!(second, SimFence::Array { .. });
        let seconds = if forgets { Vec::new() } else { leaves(second) };
        let mut merged: Vec<Rc<SimFence>> = Vec::new();
        for leaf in leaves(first).into_iter().chain(seconds).filter(|leaf| self.pending(leaf)) {
            let SimFence::Leaf(point) = &*leaf else { continue };
            let same =
                |other: &Rc<SimFence>| matches!(&**other, SimFence::Leaf(other) if other.timeline == point.timeline);
            match merged.iter().position(same) {
                None => merged.push(leaf),
                Some(at) => {
                    let SimFence::Leaf(other) = &*merged[at] else { continue };
                    if (point.seqno > other.seqno) != self.has(Bug::MergeKeepsEarlier) {
                        merged[at] = leaf;
                    }
                }
            }
        }
        array(merged)
    }
}

/// A single fence as it is, several in an array, none as one that has signalled.
fn array(mut fences: Vec<Rc<SimFence>>) -> Rc<SimFence> {
    match fences.len() {
        0 => Rc::new(SimFence::Stub),
        1 => fences.remove(0),
        _ => Rc::new(SimFence::Array { fences, waited: Cell::new(false) }),
    }
}

/// As dma_fence_unwrap_for_each(): an array in an array stays.
fn leaves(fence: &SimFence) -> Vec<Rc<SimFence>> {
    match fence {
        SimFence::Stub => vec![Rc::new(SimFence::Stub)],
        SimFence::Leaf(point) => vec![Rc::new(SimFence::Leaf(*point))],
        SimFence::Array { fences, .. } => fences.clone(),
    }
}

impl Subject for SimKernel {
    fn make(&mut self, step: &ModelStep) -> Result<Reply, CallFailure> {
        match *step {
            ModelStep::Import { fd, access, from } => {
                let fence = self.source(from);
                let write =
                    access == SyncAccess::Write || access == SyncAccess::ReadWrite && !self.has(Bug::BothIsRead);
                let parts = if self.has(Bug::ContainerIsAdded) { vec![fence] } else { leaves(&fence) };
                for part in parts {
                    self.add(self.object(fd), part, write);
                }
            }
            ModelStep::Export { fd, access, file } => self.files[file] = Some(self.export(fd, access)),
            ModelStep::Merge { first, second, file } => {
                let merged = self.merge(&self.source(first), &self.source(second));
                self.files[file] = Some(merged);
            }
            ModelStep::Signal { timeline, to } => self.values[timeline] = self.values[timeline].max(to),
            ModelStep::Close { timeline } => self.closed[timeline] = true,
            ModelStep::Poll { fd, events } => return Ok(self.poll(fd, events)),
            ModelStep::PollFile { file } => {
                let fence = self.files[file].clone().expect("the step is allowed");
                if let SimFence::Array { waited, .. } = &*fence {
                    waited.set(true);
                }
                return Ok(Reply::Ready { read: !self.pending(&fence), write: false });
            }
            ModelStep::Sync { fd, access } => {
                let all = access != SyncAccess::Read && !self.has(Bug::SyncForgetsReaders);
                let waits = !self.has(Bug::SyncDoesNotWait) && !self.waited_for(self.object(fd), all).is_empty();
                return Ok(if waits { Reply::Blocks } else { Reply::Done });
            }
        }
        Ok(Reply::Done)
    }

    fn ready(&mut self, fd: usize) -> Result<Reply, CallFailure> {
        Ok(self.poll(fd, SyncAccess::ReadWrite))
    }

    fn exported(&mut self, fd: usize, access: SyncAccess) -> Result<SyncFileView, CallFailure> {
        Ok(self.view(&self.export(fd, access)))
    }

    fn kept(&mut self, file: usize) -> Result<SyncFileView, CallFailure> {
        Ok(self.view(&self.files[file].clone().expect("the step is allowed")))
    }
}
