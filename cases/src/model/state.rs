//! The model: timelines, a buffer, and the sync_files that a sequence has kept.

use crate::model::expect::{FenceSet, Reply};
use crate::model::point::{SyncPoint, TIMELINES, TimelineValues, latest};
use crate::model::reservation::Reservation;
use crate::model::step::{FILES, FenceSource, ModelStep};
use crate::uapi::dma_buf::SyncAccess;

/// What a kernel that keeps its promises has after some steps.
#[derive(Clone, Debug, Default)]
pub struct ModelState {
    values: TimelineValues,
    buffer: Reservation,
    /// The fences that each kept sync_file may hold. An empty list is a sync_file that has signalled from the start.
    files: [Option<Vec<SyncPoint>>; FILES],
}

impl ModelState {
    /// Whether a step can be made: its timelines are open and its sync_files are there.
    pub fn allows(&self, step: &ModelStep) -> bool {
        let usable = |source: FenceSource| match source {
            FenceSource::Point(point) => self.values.is_open(point.timeline),
            FenceSource::File(file) => self.files[file].is_some(),
        };
        match *step {
            ModelStep::Import { from, .. } => usable(from),
            ModelStep::Merge { first, second, .. } => usable(first) && usable(second),
            ModelStep::Signal { timeline, to } => self.values.is_open(timeline) && to > self.values.value(timeline),
            ModelStep::Close { timeline } => self.values.is_open(timeline),
            ModelStep::PollFile { file } => self.files[file].is_some(),
            ModelStep::Export { .. } | ModelStep::Poll { .. } | ModelStep::Sync { .. } => true,
        }
    }

    /// Makes a step that [`ModelState::allows`] allows, and returns what the kernel has to answer.
    pub fn make(&mut self, step: &ModelStep) -> Reply {
        match *step {
            ModelStep::Import { access, from, .. } => {
                let points = self.points(from);
                self.buffer.add(&points, access, &self.values);
                Reply::Done
            }
            ModelStep::Export { access, file, .. } => {
                self.files[file] = Some(self.buffer.pending(access, &self.values));
                Reply::Done
            }
            ModelStep::Merge { first, second, file } => {
                let both = [self.points(first), self.points(second)].concat();
                self.files[file] = Some(self.values.pending(&both));
                Reply::Done
            }
            ModelStep::Signal { timeline, to } => {
                self.values.advance(timeline, to);
                self.buffer.signal();
                Reply::Done
            }
            ModelStep::Close { timeline } => {
                self.values.close(timeline);
                self.buffer.signal();
                Reply::Done
            }
            ModelStep::Poll { events, .. } => self.ready(events),
            ModelStep::PollFile { file } => {
                let idle = self.values.pending(&self.points(FenceSource::File(file))).is_empty();
                Reply::Ready { read: idle, write: false }
            }
            ModelStep::Sync { access, .. } if self.buffer.pending(access, &self.values).is_empty() => Reply::Done,
            ModelStep::Sync { .. } => Reply::Blocks,
        }
    }

    /// What poll(2) on the buffer answers for these events.
    pub fn ready(&self, events: SyncAccess) -> Reply {
        let idle = |access| self.buffer.pending(access, &self.values).is_empty();
        Reply::Ready {
            read: events != SyncAccess::Write && idle(SyncAccess::Read),
            write: events != SyncAccess::Read && idle(SyncAccess::Write),
        }
    }

    /// What an export shows.
    pub fn exported(&self, access: SyncAccess) -> FenceSet {
        FenceSet::new(self.buffer.pending(access, &self.values), &self.values)
    }

    /// What a kept sync_file shows. None if there is none of this number.
    pub fn kept(&self, file: usize) -> Option<FenceSet> {
        self.files[file].clone().map(|points| FenceSet::new(points, &self.values))
    }

    /// The pending fences of the buffer and of all sync_files, the last of each timeline: for generating steps.
    pub fn waits_for(&self) -> Vec<SyncPoint> {
        let files = self.values.pending(&self.files.iter().flatten().flatten().copied().collect::<Vec<_>>());
        latest(&[files, self.buffer.pending(SyncAccess::Write, &self.values)].concat())
    }

    /// Timelines that are open.
    pub fn open(&self) -> Vec<usize> {
        (0..TIMELINES.len()).filter(|timeline| self.values.is_open(*timeline)).collect()
    }

    /// The numbers of the kept sync_files.
    pub fn files(&self) -> Vec<usize> {
        (0..FILES).filter(|file| self.files[*file].is_some()).collect()
    }

    /// How far the timelines are.
    pub fn values(&self) -> &TimelineValues {
        &self.values
    }

    fn points(&self, source: FenceSource) -> Vec<SyncPoint> {
        match source {
            FenceSource::Point(point) => vec![point],
            FenceSource::File(file) => self.files[file].clone().unwrap_or_default(),
        }
    }
}
