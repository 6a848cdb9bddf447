//! Timelines, and the fences that signal when a timeline reaches a number.

use std::fmt::{Display, Formatter};

/// Names of the timelines.
pub const TIMELINES: [&str; 3] = ["A", "B", "C"];

/// A fence: the timeline, and the number at which it signals. Displayed as `A@2`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SyncPoint {
    /// Index in [`TIMELINES`].
    pub timeline: usize,
    /// The number.
    pub seqno: u32,
}

impl Display for SyncPoint {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}@{}", TIMELINES[self.timeline], self.seqno)
    }
}

/// Whether a fence has signalled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PointStatus {
    /// Not yet.
    Pending,
    /// Without an error.
    Signalled,
    /// With ENOENT: its timeline was closed before.
    Abandoned,
}

/// How far each timeline is.
#[derive(Clone, Debug, Default)]
pub struct TimelineValues {
    values: [u32; TIMELINES.len()],
    closed: [bool; TIMELINES.len()],
}

impl TimelineValues {
    /// The number that a timeline has reached.
    pub fn value(&self, timeline: usize) -> u32 {
        self.values[timeline]
    }

    /// Whether a timeline is open: only then can it be advanced, and fences be made for it.
    pub fn is_open(&self, timeline: usize) -> bool {
        !self.closed[timeline]
    }

    /// Advances a timeline to a number. A number that it has passed changes nothing.
    pub fn advance(&mut self, timeline: usize, to: u32) {
        self.values[timeline] = self.values[timeline].max(to);
    }

    /// Closes a timeline.
    pub fn close(&mut self, timeline: usize) {
        self.closed[timeline] = true;
    }

    /// Whether a fence has signalled.
    pub fn status(&self, point: SyncPoint) -> PointStatus {
        match point {
            SyncPoint { timeline, seqno } if seqno <= self.values[timeline] => PointStatus::Signalled,
            SyncPoint { timeline, .. } if self.closed[timeline] => PointStatus::Abandoned,
            _ => PointStatus::Pending,
        }
    }

    /// Those of several fences that are pending.
    pub fn pending(&self, points: &[SyncPoint]) -> Vec<SyncPoint> {
        points.iter().copied().filter(|point| self.status(*point) == PointStatus::Pending).collect()
    }
}

/// The last fence of each timeline.
pub fn latest(points: &[SyncPoint]) -> Vec<SyncPoint> {
    let mut last: Vec<SyncPoint> = Vec::new();
    let mut sorted = points.to_vec();
    sorted.sort();
    for point in sorted {
        last.retain(|other| other.timeline != point.timeline);
        last.push(point);
    }
    last
}
