//! What the model expects to see, and how it differs from what was seen.

use nix::errno::Errno;

use crate::model::point::{PointStatus, SyncPoint, TIMELINES, TimelineValues, latest};
use crate::steps::{ensure, errno_name};
use crate::uapi::sync_file::{FenceInfo, SyncFileInfo};

/// The answer to a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Success.
    Done,
    /// The call waits; a signal ended it.
    Blocks,
    /// The ready events of poll(2): POLLIN and POLLOUT.
    #[allow(missing_docs)]
    Ready { read: bool, write: bool },
}

impl Reply {
    /// As transcripts write it.
    pub fn text(self) -> &'static str {
        match self {
            Reply::Done => "ok",
            Reply::Blocks => "blocks",
            Reply::Ready { read: false, write: false } => "nothing ready",
            Reply::Ready { read: true, write: false } => "POLLIN",
            Reply::Ready { read: false, write: true } => "POLLOUT",
            Reply::Ready { read: true, write: true } => "POLLIN|POLLOUT",
        }
    }
}

/// What a sync_file shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncFileView {
    /// `SYNC_IOC_FILE_INFO` with room for all fences.
    pub info: SyncFileInfo,
    /// The status of `SYNC_IOC_FILE_INFO` without room for fences: that of the fence as a whole.
    pub whole: i32,
}

impl SyncFileView {
    /// The number in the name of a sync_file of one fence of sw_sync (sync_file_get_name(): driver, timeline, context, seqno).
    fn seqno(&self) -> Option<&str> {
        let single = self.info.fences.len() == 1 && self.info.name.starts_with("sw_sync-");
        self.info.name.rsplit_once('-').filter(|_| single).map(|(_, seqno)| seqno)
    }

    fn text(&self) -> String {
        let row = |fence: &FenceInfo| {
            let mut text = if fence.driver == "sw_sync" { String::new() } else { format!("{} of ", fence.driver) };
            text.push_str(&fence.timeline);
            text + &self.seqno().map(|seqno| format!("@{seqno}")).unwrap_or_default()
        };
        let pending: Vec<String> = self.info.fences.iter().filter(|fence| fence.status == 0).map(row).collect();
        let mut text = if pending.is_empty() { "no fence".into() } else { pending.join(", ") } + " pending";
        let errors = self.info.fences.iter().filter(|fence| fence.status < 0).map(|fence| fence.status);
        errors.for_each(|status| text.push_str(&format!(", an error {}", status_text(status))));
        text
    }
}

/// The fences that a sync_file has to show.
#[derive(Clone, Debug)]
pub struct FenceSet {
    /// May be there.
    pending: Vec<SyncPoint>,
    /// How many of them have an error.
    abandoned: usize,
}

impl FenceSet {
    /// Of the fences that may be in it.
    pub fn new(points: Vec<SyncPoint>, values: &TimelineValues) -> Self {
        let abandoned = points.iter().filter(|point| values.status(**point) == PointStatus::Abandoned).count();
        FenceSet { pending: values.pending(&points), abandoned }
    }

    /// As text.
    pub fn text(&self) -> String {
        let pending: Vec<String> = latest(&self.pending).iter().map(ToString::to_string).collect();
        let text = if pending.is_empty() { "no fence".into() } else { pending.join(", ") } + " pending";
        if self.abandoned == 0 { text } else { text + ", an error ENOENT" }
    }

    /// Compares.
    ///
    /// # Errors
    /// What was seen and what was expected.
    pub fn matches(&self, seen: &SyncFileView) -> Result<(), String> {
        let differs = || format!("{}, expected {}", seen.text(), self.text());
        let fences = &seen.info.fences;
        let strange = |fence: &&FenceInfo| {
            let known = fence.driver == "sw_sync" && TIMELINES.contains(&fence.timeline.as_str());
            fence.status == 0 && !known || fence.status < 0 && fence.status != -(Errno::ENOENT as i32)
        };
        ensure(!fences.iter().any(|fence| strange(&fence)), differs)?;
        for (timeline, name) in TIMELINES.iter().enumerate() {
            let most = self.pending.iter().filter(|point| point.timeline == timeline).count();
            let got = fences.iter().filter(|fence| fence.status == 0 && fence.timeline == *name).count();
            ensure((got > 0) == (most > 0), differs)?;
            let more = || format!("{got} fences of timeline {name} pending, expected {most} at most");
            ensure(got <= most, more)?;
        }
        let errors = fences.iter().filter(|fence| fence.status < 0).count();
        ensure((errors > 0) == (self.abandoned > 0) && errors <= self.abandoned, differs)?;
        if let (Some(seqno), [point]) = (seen.seqno(), &latest(&self.pending)[..]) {
            ensure(seqno == point.seqno.to_string(), differs)?;
        }
        self.status_matches("status", seen.info.status, !self.pending.is_empty() && self.abandoned > 0)?;
        // A fence array that nobody waited for does not know its errors, and one that is pending does not show them.
        self.status_matches("status without a list of fences", seen.whole, true)
    }

    /// Compares a status. With `lenient` an error may be hidden by what the other fences are.
    fn status_matches(&self, what: &str, got: i32, lenient: bool) -> Result<(), String> {
        let without_error = i32::from(self.pending.is_empty());
        let error = -(Errno::ENOENT as i32);
        let right = match self.abandoned {
            0 => got == without_error,
            _ => got == error || lenient && got == without_error,
        };
        ensure(right, || format!("{what} {}, expected {}", status_text(got), self.text()))
    }
}

/// A status as in `struct sync_fence_info` of include/uapi/linux/sync_file.h.
fn status_text(status: i32) -> String {
    match status {
        0 => "active".into(),
        1 => "signalled".into(),
        status if status < 0 => errno_name(Errno::from_raw(-status)),
        status => status.to_string(),
    }
}
