//! Random sequences of calls about fences, compared with a model after every step.

use crate::model::explore::{Divergence, EXTENT, explore};
use crate::model::play::{Looks, PlayEnd, play};
use crate::prelude::*;

case! {
    /// Sequences of imports, exports, merges, signals, polls and CPU accesses through all descriptors of a buffer, random but
    /// the same in every run. After each step the answer of the call, poll on every descriptor, exports for reading and
    /// writing, and all sync_files are what a model of the reservation object says. Where they differ, the case looks for the
    /// shortest sequence that shows it, and makes its calls again, one by one. It also does that with a sequence in which the
    /// kernel complains.
    "SET-9", Contract, Exporter::MAIN, [SwSync], [ALIASES, DUPLICATES],
    relies on [Polling]
}

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let ends = model_buffer::a_signal_ends_sync(on.exporter)?;
    s.about("WAIT-3").must("a SYNC that waits ends when a signal arrives", ends, "it waits on")?;
    let fds = model_buffer::names(on.fds())?;
    let fresh = || ModelBuffer::new(on.exporter, on.fds());
    let found = explore(seed(), part(on), EXTENT, &fds, fresh, || s.complained()).map_err(Abort::Broken)?;
    let how = found.map(|difference| again(s, on, &difference)).transpose()?.flatten();
    let sentence = format!(
        "calls, poll and sync_files are as in the model after each step of {} sequences of {} steps",
        EXTENT.sequences, EXTENT.steps
    );
    s.check(sentence, how.is_none(), how.unwrap_or_default());
    Ok(())
}

/// Which sequences of the seed: others for each exporter and kind of descriptor.
fn part(on: CaseParams) -> u64 {
    on.exporter as u64 * 2 + u64::from(on.fds() == FdKind::Duplicate)
}

/// Plays the shortest sequence in the transcript, and says how the kernel differs from the model. None if it does not.
fn again(s: &mut Steps, on: CaseParams, difference: &Divergence) -> CaseResult<Option<String>> {
    let fds = model_buffer::names(on.fds())?;
    let mut buffer = ModelBuffer::new(on.exporter, on.fds()).map_err(Abort::Broken)?;
    s.note(format!("a new {} buffer, with timelines A, B and C at 0; A@2 is the fence of A at 2", on.exporter.name()));
    let ended = play(&difference.steps, &mut buffer, &fds, Looks::Everywhere, |buffer, step| {
        let mut failure = None;
        let answer = s.call(
            step.text(&fds.names),
            |reply| Reply::text(*reply).into(),
            || {
                buffer.make(step).map_err(|failed| {
                    let errno = if let CallFailure::Refused(errno) = &failed { *errno } else { Errno::EIO };
                    failure = Some(failed);
                    errno
                })
            },
        );
        answer.map_err(|errno| failure.unwrap_or(CallFailure::Refused(errno)))
    });
    match ended {
        Err(PlayEnd::Differs { how, .. }) => Ok(Some(how)),
        Err(PlayEnd::Setup(why)) => Err(Abort::Broken(why)),
        Ok(()) => Ok(difference.how.as_ref().map(|how| format!("{how}; not when the sequence was played again"))),
    }
}
