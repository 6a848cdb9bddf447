//! Looks for the shortest sequence that still shows a difference.

use std::collections::BTreeSet;

use crate::model::point::{SyncPoint, TIMELINES};
use crate::model::step::{FenceSource, ModelStep};

/// How many sequences are tried at most. A dozen steps take about half as many.
const TRIES: usize = 200;

/// Leaves out steps as long as `differs` finds a difference in what is left. Then tries the rest with smaller
/// numbers, the first timelines, the primary, and one direction instead of both. No single step of the result can be left out.
pub fn shortest(steps: &[ModelStep], mut differs: impl FnMut(&[ModelStep]) -> bool) -> Vec<ModelStep> {
    let mut tries = 0;
    let mut still = |steps: &[ModelStep]| {
        tries += 1;
        tries <= TRIES && differs(steps)
    };
    let mut best = steps.to_vec();
    let mut size = best.len().div_ceil(2);
    while size > 0 {
        let mut left_out = false;
        let mut start = 0;
        while start < best.len() {
            let end = (start + size).min(best.len());
            let shorter = [&best[..start], &best[end..]].concat();
            if still(&shorter) {
                best = shorter;
                left_out = true;
            } else {
                start = end;
            }
        }
        // After single steps were left out, others may have become superfluous.
        if size > 1 || !left_out {
            size /= 2;
        }
    }
    let renumbered = renumbered(&best);
    if renumbered != best && still(&renumbered) {
        best = renumbered;
    }
    let simpler: [fn(ModelStep) -> Option<ModelStep>; 2] = [|step| step.through(0), ModelStep::only_writing];
    for index in 0..best.len() {
        for simpler in simpler {
            let Some(step) = simpler(best[index]).filter(|step| *step != best[index]) else { continue };
            let steps = [&best[..index], &[step], &best[index + 1..]].concat();
            if still(&steps) {
                best = steps;
            }
        }
    }
    best
}

/// The same sequence with the first timelines, and the smallest numbers that keep the order within each of them.
fn renumbered(steps: &[ModelStep]) -> Vec<ModelStep> {
    let mut used: Vec<usize> = Vec::new();
    let mut numbers: [BTreeSet<u32>; TIMELINES.len()] = Default::default();
    let _ = with_points(steps, |point| {
        if !used.contains(&point.timeline) {
            used.push(point.timeline);
        }
        numbers[point.timeline].insert(point.seqno);
        point
    });
    with_points(steps, |point| SyncPoint {
        timeline: used.iter().position(|used| *used == point.timeline).unwrap_or(point.timeline),
        seqno: numbers[point.timeline].range(..=point.seqno).count() as u32,
    })
}

/// The steps with each fence replaced, and each advance of a timeline as if its number were a fence.
fn with_points(steps: &[ModelStep], mut point: impl FnMut(SyncPoint) -> SyncPoint) -> Vec<ModelStep> {
    let mut source = |source: FenceSource| match source {
        FenceSource::Point(old) => FenceSource::Point(point(old)),
        file => file,
    };
    let one = |step: &ModelStep| match *step {
        ModelStep::Import { fd, access, from } => ModelStep::Import { fd, access, from: source(from) },
        ModelStep::Merge { first, second, file } => {
            ModelStep::Merge { first: source(first), second: source(second), file }
        }
        ModelStep::Signal { timeline, to } => match source(FenceSource::Point(SyncPoint { timeline, seqno: to })) {
            FenceSource::Point(point) => ModelStep::Signal { timeline: point.timeline, to: point.seqno },
            FenceSource::File(_) => *step,
        },
        // The number of a fence that is not there.
        ModelStep::Close { timeline } => match source(FenceSource::Point(SyncPoint { timeline, seqno: u32::MAX })) {
            FenceSource::Point(point) => ModelStep::Close { timeline: point.timeline },
            FenceSource::File(_) => *step,
        },
        other => other,
    };
    steps.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::uapi::dma_buf::SyncAccess;

    fn import(fd: usize, seqno: u32) -> ModelStep {
        ModelStep::Import {
            fd,
            access: SyncAccess::ReadWrite,
            from: FenceSource::Point(SyncPoint { timeline: 2, seqno }),
        }
    }

    /// Whether a later fence of timeline 2 or 0 is imported before an earlier one.
    fn differs(steps: &[ModelStep]) -> bool {
        let seqnos = steps.iter().filter_map(|step| match step {
            ModelStep::Import { from: FenceSource::Point(point), .. } => Some(point.seqno),
            _ => None,
        });
        !seqnos.collect::<Vec<_>>().is_sorted()
    }

    #[test]
    fn what_can_be_left_out_is_and_the_rest_is_simple() {
        let poll = ModelStep::Poll { fd: 1, events: SyncAccess::Read };
        let signal = ModelStep::Signal { timeline: 1, to: 4 };
        let steps = [poll, import(3, 5), signal, poll, import(2, 9), poll, import(1, 7), signal, import(0, 8)];
        let simple = |seqno| ModelStep::Import {
            fd: 0,
            access: SyncAccess::Write,
            from: FenceSource::Point(SyncPoint { timeline: 0, seqno }),
        };
        assert_eq!(shortest(&steps, differs), [simple(2), simple(1)]);
    }

    #[test]
    fn a_sequence_that_differs_only_once_stays_as_it_is() {
        let steps = [import(0, 2), import(1, 1)];
        assert_eq!(shortest(&steps, |_| false), steps);
    }

    #[test]
    fn it_ends() {
        let steps: Vec<ModelStep> = (0..500).map(|number| import(1, number)).collect();
        let mut tries = 0;
        let left = shortest(&steps, |steps| {
            tries += 1;
            steps.len() > 490
        });
        assert!(tries <= TRIES && left.len() > 490);
    }
}
