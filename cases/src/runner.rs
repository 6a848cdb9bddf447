//! Runs planned cases one after the other, each in a process of its own.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::time::{Duration, Instant};

use nix::errno::Errno;

use crate::case::Case;
use crate::channel::Channel;
use crate::counts;
use crate::features::KernelFeatures;
use crate::fixture::facts::exporters_listed;
use crate::kernel_log::KernelLog;
use crate::kmemleak::{Kmemleak, LeakSearch};
use crate::leftovers::{Mounts, TmpFiles};
use crate::protocol::{CaseKey, Outcome, Record, begin_mark};
use crate::resource_counts::ResourceCounts;
use crate::settings::SavedSettings;
use crate::steps::{Abort, Steps};
use crate::uapi::importer::Importer;
use crate::uapi::process::{self, ChildStatus, KillScope, Reaped};
use crate::uapi::rcu;
use crate::variant::On;

/// What a case may take on a machine that boots as fast as [`NOMINAL_BOOT`].
const NOMINAL_LIMIT: Duration = Duration::from_secs(5);
/// The boot time, from the kernel's start to init, that limits are scaled by. A guest that needs ten times as long gets
/// ten times the limits; one measured factor, as sanitizers and emulation slow both down alike.
const NOMINAL_BOOT: Duration = Duration::from_secs(1);
/// What a case may take where nobody has measured the boot, and a person waits who can end it.
const PATIENT_LIMIT: Duration = Duration::from_secs(50);
/// A variable that sets the limit of every case, in milliseconds. The kernel makes one of each word `name=value` of its
/// command line that it does not know itself.
pub const LIMIT: &str = "case_limit_ms";
/// What a case process exits with once its outcome is in the pipe.
const DELIVERED: i32 = 0;
/// How often the runner waits and looks again before it calls something leaked: the collector of sockets in flight, for
/// one, works on its own.
const SECOND_LOOKS: usize = 3;

/// A planned run: the key, and what it names.
pub type Planned = (CaseKey, &'static Case, On);

/// Runs cases in the guest.
pub struct Runner<'a> {
    channel: &'a Channel,
    log: Option<KernelLog>,
    importer: Option<Importer>,
    /// Exporters of the buffers that were there when it was last asked: before the first case, and after each that leaked.
    listed: Vec<String>,
    settings: SavedSettings,
    limit: Duration,
    stuck: bool,
    mounts: Mounts,
    tmp_files: TmpFiles,
    kill_scope: KillScope,
    /// How the cases ended that did.
    outcomes: Vec<Outcome>,
    /// Kinds of memory that the cases have lost.
    leaks: usize,
    /// Nothing where the kernel does not look for lost memory.
    kmemleak: Option<Kmemleak>,
    /// Why memory cannot be looked for.
    unsearchable: Option<String>,
    /// The first complaint of the kernel that was noticed in this guest.
    complaint: Option<String>,
}

impl<'a> Runner<'a> {
    /// A runner whose limits fit a guest that took `boot` to come up.
    pub fn new(channel: &'a Channel, boot: Duration) -> Self {
        let factor = boot.as_secs_f64() / NOMINAL_BOOT.as_secs_f64();
        Runner::with(channel, NOMINAL_LIMIT.mul_f64(factor.clamp(1.0, 30.0)), KillScope::Everything, TmpFiles::Own)
    }

    /// A runner on a machine that it shares with others: it ends and removes only what is its own.
    ///
    /// # Errors
    /// The errno of [`process::adopt`].
    pub fn visiting(channel: &'a Channel) -> Result<Self, Errno> {
        process::adopt()?;
        process::catch_interrupts();
        Ok(Runner::with(channel, PATIENT_LIMIT, KillScope::Descendants, TmpFiles::Shared(BTreeSet::new())))
    }

    fn with(channel: &'a Channel, limit: Duration, kill_scope: KillScope, tmp_files: TmpFiles) -> Self {
        let set = std::env::var(LIMIT).ok().and_then(|text| text.parse().ok()).map(Duration::from_millis);
        let limit = set.unwrap_or(limit);
        process::raise_priority();
        Runner {
            channel,
            log: KernelLog::open().ok(),
            importer: Importer::open().ok(),
            listed: Vec::new(),
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
        }
    }

    /// Runs the plan and gives back how many cases ended. Stops early when the kernel is no longer to be trusted.
    pub fn run(&mut self, planned: &[Planned]) -> usize {
        let features = KernelFeatures::probe();
        self.listed = exporters_listed().unwrap_or_default();
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
                true => Some("a process is stuck inside the kernel and does not die".into()),
                false if process::interrupted() => Some("it was interrupted".into()),
                false => self.complained("while the case ran").or_else(|| {
                    let changed = "the case changed what is mounted where";
                    (!self.mounts.kept()).then(|| changed.into())
                }),
            };
            if let Some(reason) = reason {
                // A task that is stuck may hold any lock, and points to what it will never free.
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

    /// Whether a process is stuck inside the kernel.
    pub fn is_stuck(&self) -> bool {
        self.stuck
    }

    /// How the cases ended, in order.
    pub fn outcomes(&self) -> &[Outcome] {
        &self.outcomes
    }

    /// What the kernel has complained about first.
    pub fn complaint(&self) -> Option<&str> {
        self.complaint.as_deref()
    }

    /// How many kinds of memory the cases have lost, where the kernel looks for it.
    pub fn leaks(&self) -> usize {
        self.leaks
    }

    /// One case. False when its process could not be killed.
    fn one(&mut self, (key, case, on): &Planned, features: &KernelFeatures) -> bool {
        if let Some(Err(why)) = self.kmemleak.as_mut().map(|kmemleak| kmemleak.begins(key)) {
            self.unsearchable.get_or_insert(why);
        }
        self.mark(&begin_mark(key));
        self.channel.send(Record::Begin { case: key.clone(), limit_ms: self.limit.as_millis() as u64 });
        self.tmp_files.begins();
        let start = Instant::now();
        let mut stuck = false;
        let outcome = match features.lacks(&case.needs_of(on.variant)) {
            Some((need, why)) => Outcome::Skip { need: need.name().into(), why: why.into() },
            None => {
                let before = self.resource_counts();
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

    /// Waits for what RCU and the work queues still hold, which belongs to this case, complaints included, and gives back
    /// what it left for others.
    fn left(&mut self, before: Option<&ResourceCounts>, reaped: Option<Reaped>) -> Option<String> {
        if reaped.is_some_and(|reaped| reaped.stuck) {
            return Some("a process that does not die".into());
        }
        match &self.importer {
            Some(importer) => drop(importer.drain()),
            None => drop(rcu::settle()),
        }
        let survivors = reaped.is_some_and(|reaped| reaped.survivors);
        let mounts = (!self.mounts.kept()).then(|| "another mount table".to_string());
        let files = self.tmp_files.left().map(|names| format!("files in /tmp: {names}"));
        survivors
            .then(|| "a process that went on running".to_string())
            .or(mounts)
            .or(files)
            .or_else(|| self.unbalanced(before))
    }

    fn in_child(&self, run: impl FnOnce(&mut Steps) -> Result<(), Abort>) -> (Outcome, Option<Reaped>) {
        let broken = |why: String| Outcome::Broken { why };
        let (mut reader, writer) = match std::io::pipe() {
            Ok(ends) => ends,
            Err(error) => return (broken(format!("pipe: {error}")), None),
        };
        let channel = *self.channel;
        let child = process::spawn(move || {
            let mut writer = writer;
            process::reset_priority();
            let outcome = judge(Steps::new(channel, KernelLog::open().ok()), run);
            let text = serde_json::to_vec(&outcome).unwrap_or_default();
            if writer.write_all(&text).is_ok() { DELIVERED } else { 1 }
        });
        let reaped = match child.and_then(|pid| process::wait_and_reap(pid, self.limit, self.kill_scope)) {
            Ok(reaped) => reaped,
            Err(errno) => return (broken(format!("running the case's process: {errno}")), None),
        };
        if !matches!(reaped.ending, ChildStatus::Exited(_)) {
            self.channel.mend();
        }
        let outcome = match reaped.ending {
            // Not where a stuck process may hold the other end of the pipe for ever.
            ChildStatus::Exited(DELIVERED) if !reaped.stuck => {
                let mut text = String::new();
                let read = reader.read_to_string(&mut text);
                read.ok().and_then(|_| serde_json::from_str(&text).ok()).unwrap_or(broken("no outcome".into()))
            }
            ChildStatus::Exited(status) => broken(format!("the case's process exited with status {status}")),
            ChildStatus::Signalled(signal) => Outcome::Killed { signal: signal.to_string() },
            ChildStatus::TimedOut if process::interrupted() => broken("it was interrupted".into()),
            ChildStatus::TimedOut | ChildStatus::Stuck => Outcome::TimedOut,
        };
        (outcome, Some(reaped))
    }

    fn resource_counts(&self) -> Option<ResourceCounts> {
        let counts = self.importer.as_ref().and_then(ResourceCounts::take)?;
        Some(if self.kill_scope == KillScope::Everything { counts } else { counts.without_files() })
    }

    /// What the books say that the case left behind, once nothing that is on its way out can still be taken for it.
    fn unbalanced(&mut self, before: Option<&ResourceCounts>) -> Option<String> {
        for _ in 0..SECOND_LOOKS {
            self.resource_counts()?.since(before?)?;
            let _ = self.importer.as_ref()?.purge();
        }
        let mut difference = self.resource_counts()?.since(before?)?;
        difference.name_exporters(&mut self.listed);
        Some(format!("the case's process is gone; {difference}"))
    }

    /// Looks for memory that the cases of this guest have lost.
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

    /// Reports what the kernel has complained about. The host knows by the time stamps which of it the case has
    /// reported already.
    fn listen(&mut self) {
        let noticed = self.log.as_mut().map(KernelLog::complaints).unwrap_or_default();
        self.channel.complaints(&noticed);
        let first = noticed.into_iter().next().map(|noticed| noticed.line);
        self.complaint = self.complaint.take().or(first);
    }

    fn complained(&self, when: &str) -> Option<String> {
        self.complaint.as_ref().map(|line| format!("the kernel complained {when}: {line}"))
    }
}

fn judge(mut steps: Steps, run: impl FnOnce(&mut Steps) -> Result<(), Abort>) -> Outcome {
    match run(&mut steps) {
        // A violation that was seen stays one, even when the case then could not go on.
        _ if steps.failed() => Outcome::Fail,
        Ok(()) if !steps.observed() => Outcome::Broken { why: "the case tested nothing".into() },
        Ok(()) => Outcome::Pass,
        Err(Abort::Failed) => Outcome::Fail,
        Err(Abort::Broken(why)) => Outcome::Broken { why },
        Err(Abort::Lacks(need, why)) => Outcome::Skip { need: need.name().into(), why },
    }
}
