//! Sequences of steps from a seed.

use crate::model::point::{SyncPoint, TIMELINES};
use crate::model::random::Random;
use crate::model::state::ModelState;
use crate::model::step::{FILES, FenceSource, ModelStep};
use crate::model::subject::SubjectFds;
use crate::uapi::dma_buf::SyncAccess;

/// The seed of a run that names none: every run makes the same sequences. A test requires that they find all bugs of the
/// simulated kernel.
pub const SEED: u64 = 15;
/// A variable on the kernel's command line, which the kernel passes to init: another seed.
pub const SEED_WORD: &str = "case_seed";

/// How far ahead of its timeline a fence can be.
const AHEAD: usize = 3;

/// The seed of this run.
pub fn seed() -> u64 {
    std::env::var(SEED_WORD).ok().and_then(|text| text.parse().ok()).unwrap_or(SEED)
}

/// A sequence of `length` steps, of which the model allows each.
pub fn sequence(random: &mut Random, fds: &SubjectFds<'_>, length: usize) -> Vec<ModelStep> {
    let mut model = ModelState::default();
    let mut steps = Vec::new();
    while steps.len() < length {
        let step = any(random, fds, &model);
        if let Some(step) = step.filter(|step| model.allows(step)) {
            model.make(&step);
            steps.push(step);
        }
    }
    steps
}

/// A step of any kind. None if there is nothing for the chosen kind to work on.
fn any(random: &mut Random, fds: &SubjectFds<'_>, model: &ModelState) -> Option<ModelStep> {
    match random.below(100) {
        0..38 => {
            let (fd, access) = through(random, fds);
            Some(ModelStep::Import { fd, access, from: source(random, model) })
        }
        38..58 => signal(random, model),
        58..70 => {
            let (first, second) = (source(random, model), source(random, model));
            // A merge of what was merged before.
            let second = kept(random, model).filter(|_| random.below(2) == 0).map_or(second, FenceSource::File);
            Some(ModelStep::Merge { first, second, file: random.below(FILES) })
        }
        70..77 => {
            let fd = random.below(fds.names.len());
            Some(ModelStep::Export { fd, access: access(random), file: random.below(FILES) })
        }
        77..88 => {
            let (fd, access) = through(random, fds);
            Some(ModelStep::Sync { fd, access })
        }
        88..91 => Some(ModelStep::Poll { fd: random.below(fds.names.len()), events: access(random) }),
        91..94 => Some(ModelStep::PollFile { file: kept(random, model)? }),
        // The last one stays open, so that there is something to do.
        _ if model.open().len() > 1 => Some(ModelStep::Close { timeline: random.one_of(&model.open()) }),
        _ => None,
    }
}

/// A descriptor and a direction that it takes for sure.
fn through(random: &mut Random, fds: &SubjectFds<'_>) -> (usize, SyncAccess) {
    let access = access(random);
    let limit = if access == SyncAccess::Read { fds.names.len() } else { fds.writers };
    (random.below(limit), access)
}

/// Both at once is the same as writing, so it is rare.
fn access(random: &mut Random) -> SyncAccess {
    match random.below(10) {
        0..5 => SyncAccess::Read,
        5..9 => SyncAccess::Write,
        _ => SyncAccess::ReadWrite,
    }
}

/// A kept sync_file, or a fence of an open timeline. One in eight fences has signalled already, if the timeline has moved.
fn source(random: &mut Random, model: &ModelState) -> FenceSource {
    if random.below(3) == 0
        && let Some(file) = kept(random, model)
    {
        return FenceSource::File(file);
    }
    // The first timeline is used most: fences of one timeline meet each other.
    let timeline = if random.below(2) == 0 { 0 } else { random.below(TIMELINES.len()) };
    let value = model.values().value(timeline);
    let ahead = 1 + random.below(AHEAD) as u32;
    let seqno = if value > 0 && random.below(8) == 0 { value } else { value + ahead };
    FenceSource::Point(SyncPoint { timeline, seqno })
}

fn kept(random: &mut Random, model: &ModelState) -> Option<usize> {
    let files = model.files();
    (!files.is_empty()).then(|| random.one_of(&files))
}

/// Mostly signals a timeline with a fence that somebody waits for.
fn signal(random: &mut Random, model: &ModelState) -> Option<ModelStep> {
    let waited = model.waits_for();
    let timeline = match random.below(4) {
        0 => random.below(TIMELINES.len()),
        _ if waited.is_empty() => return None,
        _ => random.one_of(&waited).timeline,
    };
    let by = 1 + random.below(2) as u32;
    Some(ModelStep::Signal { timeline, to: model.values().value(timeline) + by })
}
