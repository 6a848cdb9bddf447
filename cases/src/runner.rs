//! Runs planned cases one after the other, each in its own process.

use std::collections::BTreeSet;
use std::fs;
use std::time::{Duration, Instant};

use nix::errno::Errno;

use crate::case::Case;
use crate::channel::Channel;
use crate::complaint::Kind;
use crate::counts;
use crate::features::KernelFeatures;
use crate::fixture::facts::exporters_listed;
use crate::foundation::{Avoided, Foundation, LEAKS};
use crate::kernel_log::{ComplaintLine, KernelLog};
use crate::kmemleak::{Kmemleak, LeakSearch};
use crate::leftovers::{Mounts, TmpFiles};
use crate::protocol::{CaseKey, Outcome, Record, begin_mark};
use crate::resource_counts::{Difference, ResourceCounts};
use crate::settings::SavedSettings;
use crate::steps::{Abort, Steps};
use crate::uapi::importer::Importer;
use crate::uapi::kept::{Kept, keep_all};
use crate::uapi::process::{self, ChildStatus, KillScope, Reaped};
use crate::uapi::rcu;
use crate::variant::CaseParams;

/// Time limit of a case on a machine that boots in [`NOMINAL_BOOT`].
const NOMINAL_LIMIT: Duration = Duration::from_secs(5);
/// The boot time, from the kernel's start to init, that limits scale with. A guest that boots ten times slower gets
/// ten times the limits: sanitizers and emulation slow down boot and cases by about the same factor.
const NOMINAL_BOOT: Duration = Duration::from_secs(1);
/// Time limit of a case run by hand, where the boot time is unknown and a person can interrupt.
const MANUAL_LIMIT: Duration = Duration::from_secs(50);
/// Environment variable that sets the limit of every case, in milliseconds. The kernel passes unknown `name=value`
/// words of its command line to init as environment variables.
pub const LIMIT: &str = "case_limit_ms";
/// Exit status of a case's process once it has handed over its outcome.
const DELIVERED: i32 = 0;
/// How often the runner waits and counts again before it reports a leak: the garbage collector of UNIX sockets, for
/// example, runs asynchronously.
const SECOND_LOOKS: usize = 3;

/// Makes the test importer not read the kernel's list of buffers.
const IGNORE_LIST: &str = "/sys/module/dmabuf_conformance/parameters/ignore_list";

/// A planned run: the key, and the case and variant it names.
pub type Planned = (CaseKey, &'static Case, CaseParams);

/// Runs cases in the guest.
pub struct Runner<'a> {
    channel: &'a Channel,
    log: Option<KernelLog>,
    /// For the processes of the cases. A position of its own, so that lines that a case has read but not reported
    /// before it died are still read by the runner.
    log_of_cases: Option<KernelLog>,
    importer: Option<Importer>,
    /// Exporters of the buffers listed at the last reading: before the first case, and after each case that leaked.
    listed: Vec<String>,
    /// The resource counts after the last case, if they were taken.
    counts: Option<ResourceCounts>,
    settings: SavedSettings,
    limit: Duration,
    stuck: bool,
    mounts: Mounts,
    tmp_files: TmpFiles,
    kill_scope: KillScope,
    /// Outcomes of the finished cases.
    outcomes: Vec<Outcome>,
    /// Number of different memory leaks that the cases caused.
    leaks: usize,
    /// None when the kernel has no kmemleak.
    kmemleak: Option<Kmemleak>,
    /// Why the search for leaked memory is impossible.
    unsearchable: Option<String>,
    /// The kernel's first complaint in this guest.
    complaint: Option<String>,
    /// The foundations that are known to be violated.
    avoided: Avoided,
    /// Kinds of complaints after which the guest goes on.
    known: Vec<Kind>,
}

impl<'a> Runner<'a> {
    /// A runner with limits for a guest that took `boot` to boot.
    pub fn new(channel: &'a Channel, boot: Duration) -> Self {
        let factor = boot.as_secs_f64() / NOMINAL_BOOT.as_secs_f64();
        Runner::with(channel, NOMINAL_LIMIT.mul_f64(factor.clamp(1.0, 30.0)), KillScope::Everything, TmpFiles::Own)
    }

    /// A runner on a machine shared with other programs: it kills and removes only what belongs to it.
    ///
    /// # Errors
    /// The errno of [`process::adopt`].
    pub fn visiting(channel: &'a Channel) -> Result<Self, Errno> {
        process::adopt()?;
        process::catch_interrupts();
        Ok(Runner::with(channel, MANUAL_LIMIT, KillScope::Descendants, TmpFiles::Shared(BTreeSet::new())))
    }

    fn with(channel: &'a Channel, limit: Duration, kill_scope: KillScope, tmp_files: TmpFiles) -> Self {
        let set = std::env::var(LIMIT).ok().and_then(|text| text.parse().ok()).map(Duration::from_millis);
        let limit = set.unwrap_or(limit);
        process::raise_priority();
        let avoided = Avoided::by_environment();
        let avoids = |foundation: Foundation| avoided.names(foundation.name());
        if avoids(Foundation::Listing) {
            let _ = fs::write(IGNORE_LIST, "1");
        }
        if avoids(Foundation::Closing) {
            // A list that is only wrong needs nothing; one that is damaged is damaged by every release.
            let _ = keep_all(if avoids(Foundation::Listing) { Kept::Buffers } else { Kept::Aliases });
        }
        Runner {
            channel,
            log: KernelLog::open().ok(),
            log_of_cases: KernelLog::open().ok(),
            importer: Importer::open().ok(),
            listed: Vec::new(),
            counts: None,
            settings: SavedSettings::remember(),
            mounts: Mounts::take(),
            tmp_files,
            kill_scope,
            outcomes: Vec::new(),
            leaks: 0,
            kmemleak: Kmemleak::open(),
            unsearchable: None,
            limit,
            stuck: false,
            complaint: None,
            avoided,
            known: Kind::known(),
        }
    }

    /// Runs the plan and returns how many cases finished. Stops early when another case would not be reliable in this guest: after
    /// a kernel complaint, a process that cannot be killed, or changed mounts.
    pub fn run(&mut self, planned: &[Planned]) -> usize {
        let features = KernelFeatures::probe();
        self.listed = self.exporters_listed().unwrap_or_default();
        self.listen();
        if let Some(reason) = self.complained("before the first case") {
            self.channel.send(Record::Stop { reason, stuck: false });
            return 0;
        }
        if self.kmemleak.is_some() {
            self.channel.send(Record::SearchDue);
        }
        for (index, planned) in planned.iter().enumerate() {
            let stuck = !self.one(planned, &features);
            let reason = match stuck {
                true => Some("a process is stuck in the kernel and cannot be killed".into()),
                false if process::interrupted() => Some("interrupted".into()),
                false => self.complained("while the case ran").or_else(|| {
                    let changed = "the case changed the mounts";
                    (!self.mounts.kept()).then(|| changed.into())
                }),
            };
            if let Some(reason) = reason {
                // A stuck task may hold any lock, and still points to memory that it will never free.
                if !stuck {
                    self.search();
                }
                counts::send(self.channel);
                self.channel.send(Record::Stop { reason, stuck });
                self.stuck = stuck;
                return index + 1;
            }
        }
        self.search();
        counts::send(self.channel);
        planned.len()
    }

    /// Whether a process is stuck in the kernel.
    pub fn is_stuck(&self) -> bool {
        self.stuck
    }

    /// Outcomes of the cases, in order.
    pub fn outcomes(&self) -> &[Outcome] {
        &self.outcomes
    }

    /// The kernel's first complaint.
    pub fn complaint(&self) -> Option<&str> {
        self.complaint.as_deref()
    }

    /// Number of different memory leaks that the cases caused, if the kernel has kmemleak.
    pub fn leaks(&self) -> usize {
        self.leaks
    }

    /// Runs one case. False when its process could not be killed.
    fn one(&mut self, (key, case, on): &Planned, features: &KernelFeatures) -> bool {
        if let Some(Err(why)) = self.kmemleak.as_mut().map(|kmemleak| kmemleak.begins(key)) {
            self.unsearchable.get_or_insert(why);
        }
        self.mark(&begin_mark(key));
        self.channel.send(Record::Begin { case: key.clone(), limit_ms: self.limit.as_millis() as u64 });
        self.tmp_files.begins();
        let start = Instant::now();
        let mut stuck = false;
        let outcome = match features.lacks(&case.needs_on(*on)) {
            Some((need, why)) => Outcome::Skip { need: need.name().into(), why: why.into() },
            None => {
                // Nothing happens between two cases.
                let before = self.counts.take().or_else(|| self.resource_counts());
                let (outcome, reaped) = self.in_child(|steps| (case.run)(steps, *on));
                stuck = reaped.is_some_and(|reaped| reaped.stuck);
                if reaped.is_none_or(|reaped| reaped.ending != ChildStatus::Exited(DELIVERED)) {
                    self.settings.restore();
                }
                match self.left(before.as_ref(), reaped) {
                    Some(what) if outcome == Outcome::Pass => Outcome::Leaked { what },
                    _ => outcome,
                }
            }
        };
        self.listen();
        let ms = start.elapsed().as_millis() as u64;
        self.outcomes.push(outcome.clone());
        self.channel.send(Record::End { case: key.clone(), outcome, ms });
        !stuck
    }

    /// Waits for pending RCU callbacks and queued work, which still belong to this case, and returns
    /// what the case left behind.
    fn left(&mut self, before: Option<&ResourceCounts>, reaped: Option<Reaped>) -> Option<String> {
        if reaped.is_some_and(|reaped| reaped.stuck) {
            return Some("a process that cannot be killed".into());
        }
        match &self.importer {
            Some(importer) => drop(importer.drain()),
            None => drop(rcu::settle()),
        }
        let survivors = reaped.is_some_and(|reaped| reaped.survivors);
        self.mounts.look();
        let mounts = (!self.mounts.kept()).then(|| "a changed mount table".to_string());
        let files = self.tmp_files.left().map(|names| format!("files in /tmp: {names}"));
        survivors.then(|| "a running process".to_string()).or(mounts).or(files).or_else(|| self.unbalanced(before))
    }

    fn in_child(&self, run: impl FnOnce(&mut Steps) -> Result<(), Abort>) -> (Outcome, Option<Reaped>) {
        let broken = |why: String| Outcome::Broken { why };
        let channel = *self.channel;
        channel.forget_outcome();
        let child = process::spawn(|| {
            channel.wait_for_start();
            process::reset_priority();
            let log = self.log_of_cases.as_ref().and_then(|log| log.at_end().ok());
            let outcome = judge(Steps::new(channel, log), run);
            if channel.hand_over(&outcome) { DELIVERED } else { 1 }
        });
        let reaped = match child.and_then(|pid| {
            // A case counts open files, so the runner opens the one that it waits with before the case begins.
            process::wait_and_reap(pid, self.limit, self.kill_scope, || channel.start_case())
        }) {
            Ok(reaped) => reaped,
            Err(errno) => return (broken(format!("running the case's process: {errno}")), None),
        };
        if !matches!(reaped.ending, ChildStatus::Exited(_)) {
            self.channel.end_torn_record();
        }
        let outcome = match reaped.ending {
            ChildStatus::Exited(DELIVERED) if !reaped.stuck => channel.outcome().unwrap_or(broken("no outcome".into())),
            ChildStatus::Exited(status) => broken(format!("the case's process exited with status {status}")),
            ChildStatus::Signalled(signal) => Outcome::Killed { signal: signal.to_string() },
            ChildStatus::TimedOut if process::interrupted() => broken("interrupted".into()),
            ChildStatus::TimedOut | ChildStatus::Stuck => Outcome::TimedOut,
        };
        (outcome, Some(reaped))
    }

    fn resource_counts(&self) -> Option<ResourceCounts> {
        if !self.avoided.leaves_counts() {
            return None;
        }
        let counts = self.importer.as_ref().and_then(ResourceCounts::take)?;
        Some(if self.kill_scope == KillScope::Everything { counts } else { counts.without_files() })
    }

    /// Which resource counts the case changed, after waiting for deferred releases.
    fn unbalanced(&mut self, before: Option<&ResourceCounts>) -> Option<String> {
        if self.avoided.names(LEAKS) {
            return None;
        }
        for _ in 0..SECOND_LOOKS {
            self.difference(before?)?;
            let _ = self.importer.as_ref()?.purge();
        }
        let mut difference = self.difference(before?)?;
        if let Some(now) = self.exporters_listed() {
            difference.name_exporters(&mut self.listed, now);
        }
        Some(format!("the case's process is gone; {difference}"))
    }

    fn difference(&mut self, before: &ResourceCounts) -> Option<Difference> {
        self.counts = self.resource_counts();
        self.counts.as_ref()?.since(before)
    }

    /// None if the list may be corrupt.
    fn exporters_listed(&self) -> Option<Vec<String>> {
        if !self.avoided.leaves_counts() { None } else { exporters_listed().ok() }
    }

    /// Searches for memory that the cases of this guest leaked.
    fn search(&mut self) {
        let Some(kmemleak) = &self.kmemleak else { return };
        let found = self.unsearchable.clone().map_or_else(|| kmemleak.search(), Err);
        let LeakSearch { leaks, doubt } =
            found.unwrap_or_else(|why| LeakSearch { leaks: Vec::new(), doubt: Some(why) });
        self.leaks += leaks.iter().filter(|leak| leak.case.is_some()).count();
        leaks.into_iter().for_each(|leak| self.channel.send(Record::Leak(leak)));
        self.channel.send(Record::Searched { doubt });
    }

    fn mark(&self, text: &str) {
        if let Some(log) = &self.log {
            log.mark(text);
        }
    }

    /// Reports new complaints of the kernel. The host knows by the time stamps which of them the case has
    /// reported already.
    fn listen(&mut self) {
        let noticed = self.log.as_mut().map(KernelLog::complaints).unwrap_or_default();
        self.channel.complaints(&noticed);
        // A list that is known to be damaged is damaged again by every case, and the kernel leaves it alone.
        let of_list = |one: &ComplaintLine| {
            self.avoided.names(Foundation::Listing.name())
                && (one.kind == Kind::ListCorruption || one.line.contains(" lib/list_debug.c:"))
        };
        let known = |one: &ComplaintLine| of_list(one) || self.known.contains(&one.kind);
        let first = noticed.into_iter().find(|one| !known(one)).map(|one| one.line);
        self.complaint = self.complaint.take().or(first);
    }

    fn complained(&self, when: &str) -> Option<String> {
        self.complaint.as_ref().map(|line| format!("the kernel complained {when}: {line}"))
    }
}

fn judge(mut steps: Steps, run: impl FnOnce(&mut Steps) -> Result<(), Abort>) -> Outcome {
    match run(&mut steps) {
        // A violation remains a violation, even when the case could not continue after it.
        _ if steps.failed() => Outcome::Fail,
        Ok(()) if !steps.observed() => Outcome::Broken { why: "the case tested nothing".into() },
        Ok(()) => Outcome::Pass,
        Err(Abort::Failed) => Outcome::Fail,
        Err(Abort::Broken(why)) => Outcome::Broken { why },
        Err(Abort::Lacks(need, why)) => Outcome::Skip { need: need.name().into(), why },
    }
}
