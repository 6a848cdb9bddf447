//! Runs planned cases one after the other, each in a process of its own.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::time::{Duration, Instant};

use nix::errno::Errno;

use crate::aftermath::{Mounts, Scratch};
use crate::channel::Channel;
use crate::counts;
use crate::fixture::facts::exporters_listed;
use crate::init::Planned;
use crate::kernel_log::KernelLog;
use crate::kmemleak::{Found, Kmemleak};
use crate::ledger::Ledger;
use crate::protocol::{Outcome, Record, begin_mark};
use crate::settings::Settings;
use crate::steps::{Steps, Stop};
use crate::uapi::importer::Importer;
use crate::uapi::process::{self, Charge, Ending, Farewell};
use crate::uapi::rcu;
use crate::world::World;

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

/// Runs cases in the guest.
pub struct Runner<'a> {
    channel: &'a Channel,
    log: Option<KernelLog>,
    importer: Option<Importer>,
    /// Exporters of the buffers that were there when it was last asked: before the first case, and after each that leaked.
    listed: Vec<String>,
    settings: Settings,
    limit: Duration,
    stuck: bool,
    mounts: Mounts,
    scratch: Scratch,
    charge: Charge,
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
        Runner::with(channel, NOMINAL_LIMIT.mul_f64(factor.clamp(1.0, 30.0)), Charge::Everything, Scratch::Own)
    }

    /// A runner on a machine that it shares with others: it ends and removes only what is its own.
    ///
    /// # Errors
    /// The errno of [`process::adopt`].
    pub fn visiting(channel: &'a Channel) -> Result<Self, Errno> {
        process::adopt()?;
        process::mind_interrupts();
        Ok(Runner::with(channel, PATIENT_LIMIT, Charge::Descendants, Scratch::Shared(BTreeSet::new())))
    }

    fn with(channel: &'a Channel, limit: Duration, charge: Charge, scratch: Scratch) -> Self {
        let set = std::env::var(LIMIT).ok().and_then(|text| text.parse().ok()).map(Duration::from_millis);
        let limit = set.unwrap_or(limit);
        process::come_first();
        Runner {
            channel,
            log: KernelLog::open().ok(),
            importer: Importer::open().ok(),
            listed: Vec::new(),
            settings: Settings::remember(),
            mounts: Mounts::take(),
            scratch,
            charge,
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
        let world = World::probe();
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
            let stuck = !self.one(planned, &world);
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
    fn one(&mut self, (key, case, on): &Planned, world: &World) -> bool {
        if let Some(Err(why)) = self.kmemleak.as_mut().map(|kmemleak| kmemleak.begins(key)) {
            self.unsearchable.get_or_insert(why);
        }
        self.mark(&begin_mark(key));
        self.channel.send(Record::Begin { case: key.clone(), limit_ms: self.limit.as_millis() as u64 });
        self.scratch.begins();
        let start = Instant::now();
        let mut stuck = false;
        let outcome = match world.lacks(&case.needs_of(on.variant)) {
            Some((need, why)) => Outcome::Skip { need: need.name().into(), why: why.into() },
            None => {
                let before = self.ledger();
                let (outcome, farewell) = self.in_child(|steps| (case.run)(steps, *on));
                stuck = farewell.is_some_and(|farewell| farewell.stuck);
                if farewell.is_none_or(|farewell| farewell.ending != Ending::Exited(DELIVERED)) {
                    self.settings.restore();
                }
                match self.left(before.as_ref(), farewell) {
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
    fn left(&mut self, before: Option<&Ledger>, farewell: Option<Farewell>) -> Option<String> {
        if farewell.is_some_and(|farewell| farewell.stuck) {
            return Some("a process that does not die".into());
        }
        match &self.importer {
            Some(importer) => drop(importer.drain()),
            None => drop(rcu::settle()),
        }
        let survivors = farewell.is_some_and(|farewell| farewell.survivors);
        let mounts = (!self.mounts.kept()).then(|| "another mount table".to_string());
        let files = self.scratch.left().map(|names| format!("files in /tmp: {names}"));
        survivors
            .then(|| "a process that went on running".to_string())
            .or(mounts)
            .or(files)
            .or_else(|| self.unbalanced(before))
    }

    fn in_child(&self, run: impl FnOnce(&mut Steps) -> Result<(), Stop>) -> (Outcome, Option<Farewell>) {
        let broken = |why: String| Outcome::Broken { why };
        let (mut reader, writer) = match std::io::pipe() {
            Ok(ends) => ends,
            Err(error) => return (broken(format!("pipe: {error}")), None),
        };
        let channel = *self.channel;
        let child = process::spawn(move || {
            let mut writer = writer;
            process::come_as_others();
            let outcome = judge(Steps::new(channel, KernelLog::open().ok()), run);
            let text = serde_json::to_vec(&outcome).unwrap_or_default();
            if writer.write_all(&text).is_ok() { DELIVERED } else { 1 }
        });
        let farewell = match child.and_then(|pid| process::see_off(pid, self.limit, self.charge)) {
            Ok(farewell) => farewell,
            Err(errno) => return (broken(format!("running the case's process: {errno}")), None),
        };
        if !matches!(farewell.ending, Ending::Exited(_)) {
            self.channel.mend();
        }
        let outcome = match farewell.ending {
            // Not where a stuck process may hold the other end of the pipe for ever.
            Ending::Exited(DELIVERED) if !farewell.stuck => {
                let mut text = String::new();
                let read = reader.read_to_string(&mut text);
                read.ok().and_then(|_| serde_json::from_str(&text).ok()).unwrap_or(broken("no outcome".into()))
            }
            Ending::Exited(status) => broken(format!("the case's process exited with status {status}")),
            Ending::Signalled(signal) => Outcome::Killed { signal: signal.to_string() },
            Ending::TimedOut if process::interrupted() => broken("it was interrupted".into()),
            Ending::TimedOut | Ending::Stuck => Outcome::TimedOut,
        };
        (outcome, Some(farewell))
    }

    fn ledger(&self) -> Option<Ledger> {
        let ledger = self.importer.as_ref().and_then(Ledger::take)?;
        Some(if self.charge == Charge::Everything { ledger } else { ledger.without_files() })
    }

    /// What the books say that the case left behind, once nothing that is on its way out can still be taken for it.
    fn unbalanced(&mut self, before: Option<&Ledger>) -> Option<String> {
        for _ in 0..SECOND_LOOKS {
            self.ledger()?.since(before?)?;
            let _ = self.importer.as_ref()?.purge();
        }
        let mut difference = self.ledger()?.since(before?)?;
        difference.name_exporters(&mut self.listed);
        Some(format!("the case's process is gone; {difference}"))
    }

    /// Looks for memory that the cases of this guest have lost.
    fn search(&mut self) {
        let Some(kmemleak) = &self.kmemleak else { return };
        let found = self.unsearchable.clone().map_or_else(|| kmemleak.search(), Err);
        let Found { leaks, doubt } = found.unwrap_or_else(|why| Found { leaks: Vec::new(), doubt: Some(why) });
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

fn judge(mut steps: Steps, run: impl FnOnce(&mut Steps) -> Result<(), Stop>) -> Outcome {
    match run(&mut steps) {
        // A violation that was seen stays one, even when the case then could not go on.
        _ if steps.failed() => Outcome::Fail,
        Ok(()) if !steps.observed() => Outcome::Broken { why: "the case tested nothing".into() },
        Ok(()) => Outcome::Pass,
        Err(Stop::Failed) => Outcome::Fail,
        Err(Stop::Broken(why)) => Outcome::Broken { why },
        Err(Stop::Lacks(need, why)) => Outcome::Skip { need: need.name().into(), why },
    }
}
