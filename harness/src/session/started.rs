//! The guests of a session, of which several may run at the same time.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use cases::complaint::Kind;
use cases::protocol::CaseKey;

use crate::error::{Result, io};
use crate::judge::context::JudgeContext;
use crate::judge::foundations::{Violated, judges_one};
use crate::judge::guest_run::GuestRun;
use crate::judge::judged_run::judge_all;
use crate::judge::repeated;
use crate::session::guest_directories::directory;

/// The guests that were started so far.
#[derive(Debug, Default)]
pub(super) struct Started {
    count: AtomicUsize,
    ended: Mutex<Vec<(usize, GuestRun)>>,
    no_more: AtomicBool,
    judged: AtomicBool,
    violated: AtomicBool,
    /// How many guests made each complaint that damages nothing.
    heard: Mutex<BTreeMap<(Kind, String), usize>>,
}

impl Started {
    /// The number of the next guest, from 1.
    pub(super) fn next_number(&self) -> usize {
        self.count.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// Adds a guest that has ended.
    pub(super) fn ended(&self, number: usize, guest: GuestRun, context: &JudgeContext) {
        let complaints = context.complaints(guest.recording.unasked(), &guest.transcript);
        let heard: BTreeSet<(Kind, String)> = complaints
            .iter()
            .filter(|complaint| complaint.suppressed.is_none())
            .filter_map(|complaint| Some((complaint.kind, repeated::place(complaint)?)))
            .collect();
        for place in heard {
            *lock(&self.heard).entry(place).or_default() += 1;
        }
        let mut ended = lock(&self.ended);
        ended.push((number, guest));
        ended.sort_by_key(|(number, _)| *number);
    }

    /// The kinds of complaints that damage nothing and that enough guests made at the same place.
    pub(super) fn known(&self) -> BTreeSet<Kind> {
        let heard = lock(&self.heard);
        heard.iter().filter(|(_, guests)| **guests >= repeated::ENOUGH).map(|((kind, _), _)| *kind).collect()
    }

    /// Those that run may go on, but no other one is started.
    pub(super) fn start_no_more(&self) {
        self.no_more.store(true, Ordering::SeqCst);
    }

    /// Whether another guest may be started.
    pub(super) fn may_start(&self) -> bool {
        !self.no_more.load(Ordering::SeqCst) && !self.foundation_violated()
    }

    /// Every foundation was judged, or cannot be judged.
    pub(super) fn foundations_are_judged(&self) {
        self.judged.store(true, Ordering::SeqCst);
    }

    /// Whether every foundation was judged and none is violated.
    pub(super) fn foundations_hold(&self) -> bool {
        self.judged.load(Ordering::SeqCst) && !self.foundation_violated()
    }

    /// A foundation is violated: what does not judge foundations ran in vain.
    pub(super) fn violates_a_foundation(&self) {
        self.violated.store(true, Ordering::SeqCst);
    }

    /// Whether a foundation is violated, until [`Started::keep_foundations`].
    pub(super) fn foundation_violated(&self) -> bool {
        self.violated.load(Ordering::SeqCst)
    }

    /// Throws away the guests that judged no foundation, with their recordings in `dir`. Others may then be started again. Returns the cases
    /// that the remaining ones began.
    ///
    /// # Errors
    /// [`crate::error::ErrorKind::Host`] when a recording cannot be removed.
    pub(super) fn keep_foundations(&self, dir: &Path) -> Result<Vec<CaseKey>> {
        self.violated.store(false, Ordering::SeqCst);
        let mut ended = lock(&self.ended);
        let judges = |guest: &GuestRun| guest.planned.iter().any(judges_one);
        for (number, _) in ended.extract_if(.., |(_, guest)| !judges(guest)) {
            let dir = dir.join(directory(number));
            std::fs::remove_dir_all(&dir).map_err(|error| io(&error, "removing", &dir))?;
        }
        let begun = |guest: &GuestRun| {
            let handed_on = guest.handed_on().cloned();
            guest.begun().into_iter().filter(move |key| Some(key) != handed_on.as_ref()).collect::<Vec<_>>()
        };
        Ok(ended.iter().flat_map(|(_, guest)| begun(guest)).collect())
    }

    /// The foundations that these cases found violated so far.
    ///
    /// # Errors
    /// As [`judge_all`].
    pub(super) fn violated(&self, cases: &[CaseKey], context: &JudgeContext) -> Result<Violated> {
        let mut ended = lock(&self.ended);
        let (numbers, guests): (Vec<usize>, Vec<GuestRun>) = ended.drain(..).unzip();
        let judged = judge_all(cases, &guests, context);
        ended.extend(numbers.into_iter().zip(guests));
        Ok(Violated::of(&judged?.verdicts))
    }

    /// All of them, in the order in which they were started.
    pub(super) fn finish(self) -> Vec<GuestRun> {
        self.ended.into_inner().unwrap_or_else(PoisonError::into_inner).into_iter().map(|(_, guest)| guest).collect()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
