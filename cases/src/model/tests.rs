//! The model against simulated kernels, right and wrong ones.

use super::explore::{Divergence, EXTENT, Extent, explore};
use super::generate::{SEED, sequence};
use super::random::Random;
use super::simulated::{Bug, SimKernel};
use super::subject::SubjectFds;

fn fds() -> SubjectFds<'static> {
    SubjectFds { names: vec!["primary", "RW alias", "RO alias", "alias of RW alias"], writers: 2 }
}

fn found_in(part: u64, bug: Option<Bug>, seed: u64, extent: Extent) -> Option<Divergence> {
    let fds = fds();
    explore(seed, part, extent, &fds, || Ok(SimKernel::new(bug, fds.names.len())), || false).unwrap()
}

/// In a run on a kernel without aliases: duplicates on two exporters.
fn found(bug: Bug, seed: u64) -> Option<Divergence> {
    [1, 3].into_iter().find_map(|part| found_in(part, Some(bug), seed, EXTENT))
}

fn text(found: &Divergence) -> String {
    let fds = fds();
    let steps: Vec<String> = found.steps.iter().map(|step| step.text(&fds.names)).collect();
    format!("{}; {}", steps.join("; "), found.how.as_deref().unwrap_or("a complaint"))
}

#[test]
fn a_kernel_that_works_like_the_real_one_never_differs() {
    for seed in 0..20 {
        let difference = found_in(0, None, seed, Extent { sequences: 200, steps: 15 });
        assert!(difference.is_none(), "seed {seed}: {}", text(&difference.unwrap()));
    }
}

#[test]
fn every_bug_is_found_by_the_sequences_of_each_run_and_made_short() {
    // The most steps that the shortest sequence may have.
    for (bug, most) in Bug::ALL {
        let difference = found(bug, SEED).unwrap_or_else(|| panic!("{bug:?} is not found"));
        assert!(difference.steps.len() <= most, "{bug:?}: {}", text(&difference));
        assert!(!difference.once);
    }
}

#[test]
fn other_seeds_make_other_sequences_that_find_the_same() {
    let made = |seed| sequence(&mut Random::new(seed), &fds(), 10);
    assert_eq!(made(5), made(5));
    assert_ne!(made(5), made(6));
    for (bug, _) in Bug::ALL {
        let seeds = (100..120).filter(|seed| found(bug, *seed).is_some()).count();
        assert!(seeds >= 8, "{bug:?} is found by {seeds} of 20 seeds");
    }
}

#[test]
fn the_sequence_in_which_the_kernel_complains_is_kept() {
    let mut sequences = 0;
    let complained = || {
        sequences += 1;
        sequences == 3
    };
    let found = explore(SEED, 0, EXTENT, &fds(), || Ok(SimKernel::new(None, 4)), complained).unwrap().unwrap();
    let mut random = Random::new(SEED);
    let made: Vec<_> = (0..3).map(|_| sequence(&mut random, &fds(), EXTENT.steps)).collect();
    assert_eq!((found.steps, found.how), (made[2].clone(), None));
}

#[test]
fn the_shortest_sequence_is_readable() {
    let text = |bug| text(&found(bug, SEED).unwrap());
    for (bug, wanted) in [
        (
            Bug::EarlierReplacesLater,
            "import_sync_file(primary, WRITE, A@2); \
             import_sync_file(primary, WRITE, A@1); \
             export_sync_file(primary, READ): A@1 pending, expected A@2 pending",
        ),
        (
            Bug::OneFenceIsEnough,
            "import_sync_file(primary, READ, A@1); \
             import_sync_file(primary, WRITE, B@1); \
             close timeline A; \
             poll(primary, POLLIN|POLLOUT): POLLOUT, expected nothing ready",
        ),
        (
            Bug::ContainerIsAdded,
            "import_sync_file(primary, WRITE, A@1); \
             f1 = merge(A@1, B@1); \
             import_sync_file(primary, READ, f1); \
             export_sync_file(primary, WRITE): A, dma_fence_array of unbound pending, expected A@1, B@1 pending",
        ),
        (
            Bug::SyncForgetsReaders,
            "import_sync_file(primary, READ, A@1); \
             sync(primary, START|WRITE); \
             sync(primary, START|WRITE): ok, expected blocks",
        ),
        (
            Bug::AliasesHaveTheirOwn,
            "import_sync_file(primary, WRITE, A@1); \
             export_sync_file(RW alias, READ): no fence pending, expected A@1 pending",
        ),
    ] {
        assert_eq!(text(bug), wanted);
    }
}
