//! Plays the sequences of a seed until one differs.

use crate::model::expect::Reply;
use crate::model::generate::sequence;
use crate::model::play::{Looks, PlayEnd, play};
use crate::model::random::Random;
use crate::model::shrink::shortest;
use crate::model::step::ModelStep;
use crate::model::subject::{CallFailure, Subject, SubjectFds};

/// How many sequences, and how many steps each.
#[derive(Clone, Copy, Debug)]
pub struct Extent {
    /// Sequences.
    pub sequences: usize,
    /// Steps of each.
    pub steps: usize,
}

/// What every run plays, on each exporter and kind of descriptor.
pub const EXTENT: Extent = Extent { sequences: 12, steps: 10 };

/// A sequence after which a subject differs from the model, or the kernel complains.
#[derive(Clone, Debug)]
pub struct Divergence {
    /// The shortest that was found.
    pub steps: Vec<ModelStep>,
    /// What was seen after it, and what was expected. None if the kernel complained and did what the model says.
    pub how: Option<String>,
    /// Whether the sequence is as it was found: it did not differ when it was played again.
    pub once: bool,
}

/// Plays the sequences of a seed, each on a fresh subject. The first that differs is made shorter. Each `part` of a run has
/// sequences of its own. `complained` says after each sequence whether the kernel has complained in it. Such a sequence is not
/// made shorter: most complaints come only once.
///
/// # Errors
/// Why the suite's own set-up failed.
pub fn explore<S: Subject>(
    seed: u64,
    part: u64,
    extent: Extent,
    fds: &SubjectFds<'_>,
    mut fresh: impl FnMut() -> Result<S, String>,
    mut complained: impl FnMut() -> bool,
) -> Result<Option<Divergence>, String> {
    let mut random = Random::new(seed.wrapping_add(part << 32));
    let mut differs = |steps: &[ModelStep], looks| {
        let subject = fresh()?;
        one(steps, subject, fds, looks)
    };
    for _ in 0..extent.sequences {
        let steps = sequence(&mut random, fds, extent.steps);
        let differed = differs(&steps, Looks::InTurn)?;
        let complaint = complained();
        let Some((until, how)) = differed else {
            if complaint {
                return Ok(Some(Divergence { steps, how: None, once: true }));
            }
            continue;
        };
        let mut found = Divergence { steps: steps[..until].to_vec(), how: Some(how), once: true };
        let mut setup = Ok(());
        let shorter = shortest(&found.steps, |steps| match differs(steps, Looks::Everywhere) {
            Ok(Some((_, how))) => {
                found.how = Some(how);
                found.once = false;
                true
            }
            Ok(None) => false,
            Err(why) => {
                setup = Err(why);
                false
            }
        });
        found.steps = shorter;
        return setup.map(|()| Some(found));
    }
    Ok(None)
}

/// After how many steps a subject differs, and how. None if it does not.
fn one<S: Subject>(
    steps: &[ModelStep],
    mut subject: S,
    fds: &SubjectFds<'_>,
    looks: Looks,
) -> Result<Option<(usize, String)>, String> {
    let make = |subject: &mut S, step: &ModelStep| -> Result<Reply, CallFailure> { subject.make(step) };
    match play(steps, &mut subject, fds, looks, make) {
        Ok(()) => Ok(None),
        Err(PlayEnd::Differs { steps, how }) => Ok(Some((steps, how))),
        Err(PlayEnd::Setup(why)) => Err(why),
    }
}
