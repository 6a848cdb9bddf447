//! When a guest has been without progress for too long. Every phase of its life has a deadline of its own, and a measure of
//! progress of its own: while it boots, a kernel that prints is alive; inside a case, only the end of the case counts.
//!
//! Nothing here looks at a clock: times are given as time since QEMU was started.

use std::time::Duration;

use cases::protocol::Record;

use crate::guest::recording::{GuestEnd, Phase};

/// How long each phase may be without progress, on a guest that boots as fast as [`NOMINAL_BOOT`]. How fast it boots is
/// measured at its hello; deadlines after that are longer by the same factor.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// From the start of QEMU to the first byte on the console.
    pub firmware: Duration,
    /// From one byte on the console to the next, until hello.
    pub kernel: Duration,
    /// The whole way to the plan, for a kernel that prints for ever.
    pub boot: Duration,
    /// From hello to the plan, with nothing on the console either.
    pub runner: Duration,
    /// From the plan or the end of a case to the next case.
    pub between: Duration,
    /// Beyond the limit that the guest itself gives a case: killing it, waiting whether it dies, and waiting for RCU.
    pub grace: Duration,
    /// From the last record to the end of QEMU.
    pub leave: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        // Until hello nobody knows how slow the host is: these are tens of times what two busy cores need.
        Timeouts {
            firmware: Duration::from_secs(60),
            kernel: Duration::from_secs(30),
            boot: Duration::from_secs(180),
            runner: Duration::from_secs(20),
            between: Duration::from_secs(20),
            grace: Duration::from_secs(10),
            leave: Duration::from_secs(20),
        }
    }
}

impl Timeouts {
    /// For a guest that somebody stops and looks at.
    pub fn endless() -> Self {
        Timeouts::brief(Duration::from_secs(10 * 365 * 24 * 3600))
    }

    /// The same short time for everything: for tests.
    pub fn brief(time: Duration) -> Self {
        let boot = time * 4;
        Timeouts { firmware: time, kernel: time, boot, runner: time, between: time, grace: time, leave: time }
    }
}

/// From the start of QEMU to hello, where nothing is in the way. What takes longer shows a slower host.
const NOMINAL_BOOT: Duration = Duration::from_secs(3);
/// A boot says little about a host that was busy just then: no factor is larger.
const LARGEST_FACTOR: f64 = 30.0;

/// Watches one guest.
#[derive(Debug)]
pub struct Watchdog {
    timeouts: Timeouts,
    factor: f64,
    phase: Phase,
    entered: Duration,
    /// When the current phase last saw progress.
    heard: Duration,
    console: u64,
    planned: bool,
    /// Time in which nobody watched.
    excused: Duration,
}

impl Watchdog {
    /// A watch on a guest that was started just now.
    pub fn new(timeouts: Timeouts) -> Self {
        let (entered, heard, excused) = (Duration::ZERO, Duration::ZERO, Duration::ZERO);
        Watchdog { timeouts, factor: 1.0, phase: Phase::Firmware, entered, heard, console: 0, planned: false, excused }
    }

    /// What the guest is doing.
    pub fn phase(&self) -> &Phase {
        &self.phase
    }

    /// The console holds so many bytes.
    pub fn console(&mut self, len: u64, now: Duration) {
        if len > self.console {
            self.console = len;
            match self.phase {
                Phase::Firmware => self.enter(Phase::Kernel, now),
                Phase::Kernel | Phase::Runner => self.heard = now,
                _ => {}
            }
        }
    }

    /// The guest said something on the channel.
    pub fn record(&mut self, record: &Record, now: Duration) {
        self.heard = now;
        match record {
            Record::Hello { .. } => {
                let boot = now.saturating_sub(self.excused).as_secs_f64();
                self.factor = (boot / NOMINAL_BOOT.as_secs_f64()).clamp(1.0, LARGEST_FACTOR);
                self.enter(Phase::Runner, now);
            }
            Record::Plan { .. } => {
                self.planned = true;
                self.enter(Phase::Probing, now);
            }
            Record::Begin { case, limit_ms } => {
                self.enter(Phase::Case { case: case.clone(), limit_ms: *limit_ms }, now);
            }
            Record::End { .. }
            | Record::Leak(_)
            | Record::Searched { .. }
            | Record::Counts { .. }
            | Record::Counted { .. } => self.enter(Phase::Between, now),
            Record::Count { .. } | Record::Stop { .. } => self.enter(Phase::Leaving, now),
            _ => {}
        }
    }

    /// Nobody watched for so long, because this program was stopped itself: it counts for no deadline.
    pub fn excuse(&mut self, gap: Duration) {
        self.excused += gap;
        self.entered += gap;
        self.heard += gap;
    }

    /// How the guest ended, if its time is over.
    pub fn overdue(&self, now: Duration) -> Option<GuestEnd> {
        let timeouts = &self.timeouts;
        let in_phase = now.saturating_sub(self.entered);
        let silent = now.saturating_sub(self.heard);
        let (waited, allowed) = match &self.phase {
            Phase::Firmware => (in_phase, timeouts.firmware),
            Phase::Kernel | Phase::Boot => (silent, timeouts.kernel),
            Phase::Runner => (silent, timeouts.runner.mul_f64(self.factor)),
            // Steps are no progress: a case has to end, and the runner, which kills it at its limit, may be what hangs.
            Phase::Case { limit_ms, .. } => {
                (in_phase, Duration::from_millis(*limit_ms) + timeouts.grace.mul_f64(self.factor))
            }
            Phase::Probing | Phase::Between => (in_phase, timeouts.between.mul_f64(self.factor)),
            Phase::Leaving => (in_phase, timeouts.leave.mul_f64(self.factor)),
        };
        let stalled = |phase: Phase, waited: Duration| {
            Some(GuestEnd::Stalled { phase, silent_ms: u64::try_from(waited.as_millis()).unwrap_or(u64::MAX) })
        };
        if waited > allowed {
            return stalled(self.phase.clone(), waited);
        }
        let booting = now.saturating_sub(self.excused);
        if !self.planned && booting > timeouts.boot {
            return stalled(Phase::Boot, booting);
        }
        None
    }

    fn enter(&mut self, phase: Phase, now: Duration) {
        self.phase = phase;
        self.entered = now;
        self.heard = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cases::protocol::CaseKey;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn hello() -> Record {
        Record::Hello { protocol: 0, kernel: String::new(), uptime_ms: 0 }
    }

    fn begin() -> Record {
        Record::Begin { case: CaseKey("a@b".into()), limit_ms: 5000 }
    }

    /// The phase in which time is over at `now`, and how long it waited.
    fn stalled(watch: &Watchdog, now: Duration) -> Option<(Phase, u64)> {
        watch.overdue(now).map(|ending| match ending {
            GuestEnd::Stalled { phase, silent_ms } => (phase, silent_ms),
            other => panic!("{other:?}"),
        })
    }

    #[test]
    fn every_phase_of_a_boot_has_its_own_deadline() {
        let mut watch = Watchdog::new(Timeouts::default());
        assert_eq!(stalled(&watch, seconds(60)), None);
        assert_eq!(stalled(&watch, seconds(61)), Some((Phase::Firmware, 61_000)));
        watch.console(1, seconds(50));
        assert_eq!(stalled(&watch, seconds(80)), None);
        assert_eq!(stalled(&watch, seconds(81)), Some((Phase::Kernel, 31_000)));
        // The same length again is nothing new.
        watch.console(1, seconds(70));
        assert_eq!(stalled(&watch, seconds(81)), Some((Phase::Kernel, 31_000)));
        watch.console(2, seconds(70));
        assert_eq!(stalled(&watch, seconds(100)), None);
    }

    #[test]
    fn a_kernel_that_prints_for_ever_does_not_boot_for_ever() {
        let mut watch = Watchdog::new(Timeouts::default());
        for second in 0..=181 {
            watch.console(second + 1, seconds(second));
        }
        assert_eq!(stalled(&watch, seconds(181)), Some((Phase::Boot, 181_000)));
    }

    #[test]
    fn inside_a_case_only_its_end_counts() {
        let mut watch = Watchdog::new(Timeouts::default());
        watch.record(&hello(), seconds(1));
        watch.record(&Record::Plan { cases: Vec::new() }, seconds(1));
        watch.record(&begin(), seconds(2));
        watch.console(1 << 20, seconds(16));
        watch.record(&Record::Note { text: "x".into() }, seconds(17));
        assert_eq!(stalled(&watch, seconds(17)), None);
        assert!(matches!(stalled(&watch, seconds(18)), Some((Phase::Case { .. }, 16_000))));
    }

    #[test]
    fn a_guest_in_a_debugger_may_stand_for_days() {
        let mut watch = Watchdog::new(Timeouts::endless());
        let days = |days: u64| seconds(days * 24 * 3600);
        assert_eq!(stalled(&watch, days(1)), None);
        watch.record(&hello(), days(2));
        watch.record(&begin(), days(2));
        assert_eq!(stalled(&watch, days(30)), None);
    }

    #[test]
    fn a_slow_boot_stretches_what_comes_after_it() {
        let mut watch = Watchdog::new(Timeouts::default());
        watch.record(&hello(), seconds(30));
        watch.record(&begin(), seconds(30));
        assert_eq!(stalled(&watch, seconds(30 + 5 + 100)), None);
        assert!(stalled(&watch, seconds(30 + 5 + 101)).is_some());
    }

    #[test]
    fn time_in_which_nobody_watched_does_not_count() {
        let mut watch = Watchdog::new(Timeouts::default());
        watch.console(1, seconds(1));
        watch.excuse(seconds(600));
        assert_eq!(stalled(&watch, seconds(610)), None);
    }
}
