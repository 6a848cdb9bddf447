//! `--repeat`, `--until-fail`, `--fail-fast`, `--retries`: runs as many sessions as needed and merges them to one verdict per
//! case.

use std::fs;
use std::path::{Path, PathBuf};

use cases::protocol::CaseKey;
use harness::error::Result;
use harness::host::progress::Progress;
use harness::judge::judged_run::{JudgedRun, judge_all};
use harness::judge::verdict::Verdict;
use harness::session::accel::Acceleration;
use harness::session::fail_fast::StopAt;
use harness::session::guests::Session;
use harness::session::rounds::{MergedRounds, Rounds, retried};

use crate::flags::RepeatArgs;
use crate::run::debug::Gdb;
use crate::run::watcher::Watcher;

/// Runs rounds of a session.
pub struct RoundRunner<'a> {
    /// The session of a single round.
    pub session: Session<'a>,
    /// KVM or emulation.
    pub acceleration: &'a mut Acceleration,
    /// Where the running case is shown.
    pub progress: &'a Progress,
    /// gdb, if the guest runs under it.
    pub gdb: Option<&'a Gdb>,
}

/// The results of all rounds.
pub struct RoundsDone {
    /// One verdict for each case.
    pub merged: MergedRounds,
    /// How many guests were started.
    pub guests: usize,
}

impl RoundRunner<'_> {
    /// Runs the plan as many times as the arguments ask for.
    ///
    /// # Errors
    /// As [`Session::record`] and [`judge_all`].
    pub fn run(&mut self, plan: &[CaseKey], args: &RepeatArgs) -> Result<RoundsDone> {
        let asked = args.rounds();
        let mut watcher = Watcher::new(self.progress, self.session.context, "running cases", plan.len(), asked);
        let mut rounds = Rounds::default();
        let mut guests = 0;
        let mut removable: Option<PathBuf> = None;
        for number in 1.. {
            let dir = match asked {
                Some(1) => self.session.dir.clone(),
                _ => self.session.dir.join(format!("round-{number}")),
            };
            let stop_at = args.fail_fast.then_some(StopAt::Unexpected);
            watcher.round(number);
            let judged = self.session_in(&dir, stop_at, plan, &mut watcher)?;
            guests += judged.guests.len();
            let interrupted = judged.interrupted;
            let as_expected = rounds.take(judged);
            // Recordings are kept of the first round, the last round, and rounds with unexpected results.
            if let Some(dir) = removable.take() {
                let _ = fs::remove_dir_all(dir);
            }
            removable = (as_expected && !interrupted && number > 1).then_some(dir);
            let failed = !as_expected && (args.until_fail || args.fail_fast);
            if interrupted || failed || asked == Some(number) {
                break;
            }
        }
        watcher.done(rounds.run());
        let mut merged = rounds.finish(asked);
        if let Some(retries) = args.retries.filter(|_| !merged.interrupted) {
            guests += self.retry(&mut merged, retries)?;
        }
        Ok(RoundsDone { merged, guests })
    }

    /// Runs each unexpected case again in its own guest, until it passes or the retries are used up. Returns the number of
    /// guests.
    fn retry(&mut self, merged: &mut MergedRounds, retries: usize) -> Result<usize> {
        let bad = merged.verdicts.iter().filter(|verdict| may_change(&verdict.verdict)).count();
        if bad == 0 {
            return Ok(0);
        }
        let mut watcher = Watcher::new(self.progress, self.session.context, "trying again", bad, Some(retries));
        let mut guests = 0;
        for verdict in merged.verdicts.iter_mut().filter(|verdict| may_change(&verdict.verdict)) {
            let mut later = Vec::new();
            for retry in 1..=retries {
                let key = verdict.key.clone();
                let dir = self.session.dir.join(format!("try-{}", retry + 1)).join(key.0.replace('/', "__"));
                let judged = self.session_in(&dir, None, std::slice::from_ref(&key), &mut watcher)?;
                guests += judged.guests.len();
                merged.interrupted |= judged.interrupted;
                merged
                    .protocol_errors
                    .extend(judged.protocol_errors.iter().map(|error| format!("try {} of {key}: {error}", retry + 1)));
                // An interrupted try has no result.
                later.extend(judged.verdicts.into_iter().filter(|_| !judged.interrupted));
                if merged.interrupted || later.last().is_some_and(|verdict| verdict.verdict.is_as_expected()) {
                    break;
                }
            }
            *verdict = retried(verdict.clone(), later);
            if merged.interrupted {
                break;
            }
        }
        watcher.done(1);
        Ok(guests)
    }

    fn session_in(
        &mut self,
        dir: &Path,
        stop_at: Option<StopAt>,
        plan: &[CaseKey],
        watcher: &mut Watcher<'_>,
    ) -> Result<JudgedRun> {
        let session = Session { dir: dir.to_path_buf(), stop_at, ..self.session.clone() };
        // Only the verdicts stay in memory: recordings of a hundred rounds would not fit.
        let guests = match self.gdb {
            Some(gdb) => gdb.record(&session, plan)?,
            None => self.acceleration.record(&session, plan, |record| watcher.see(record))?,
        };
        judge_all(plan, &guests, session.context)
    }
}

/// Whether a retry can change the verdict. A transcript without a reviewed one stays unreviewed.
fn may_change(verdict: &Verdict) -> bool {
    !verdict.is_as_expected()
        && !matches!(verdict, Verdict::NotRun { .. } | Verdict::Blocked { .. } | Verdict::Unreviewed)
}
