//! Decides when a guest has made no progress for too long. Every phase has its own deadline and its own definition of
//! progress: while the guest boots, any output counts; inside a case, only the end of the case counts.
//!
//! This module reads no clock: times are arguments, relative to the start of QEMU.

use std::time::Duration;

use cases::protocol::Record;

use crate::guest::recording::{GuestEnd, Phase};

/// How long each phase may be without progress, for a guest that boots within [`NOMINAL_BOOT`]. If the guest boots more slowly,
/// deadlines after its hello are longer by the same factor.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// From the start of QEMU to the first byte on the console.
    pub firmware: Duration,
    /// Between two bytes on the console, until hello.
    pub kernel: Duration,
    /// From the start of QEMU to the plan, for a kernel that prints endlessly.
    pub boot: Duration,
    /// From hello to the plan, without console output.
    pub runner: Duration,
    /// From the plan or the end of a case to the next case.
    pub between: Duration,
    /// Added to the limit of a case in the guest: time to kill it, wait for its end, and wait for RCU.
    pub grace: Duration,
    /// From the last record to the end of QEMU.
    pub leave: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        // Until hello the speed of the host is not known: these are many times what two busy cores need.
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
    /// For a guest under a debugger.
    pub fn endless() -> Self {
        Timeouts::brief(Duration::from_secs(10 * 365 * 24 * 3600))
    }

    /// The same short time for everything: for tests.
    pub fn brief(time: Duration) -> Self {
        let boot = time * 4;
        Timeouts { firmware: time, kernel: time, boot, runner: time, between: time, grace: time, leave: time }
    }
}

/// Time from the start of QEMU to hello on an idle host. A longer time shows a slower host.
const NOMINAL_BOOT: Duration = Duration::from_secs(3);
/// The largest factor: the host may have been busy only during the boot.
const LARGEST_FACTOR: f64 = 30.0;

/// What the kernel prints at least when it finds itself damaged, in bytes: a stack trace with registers. All cases of a passing run
/// together print 10 kB.
const REPORT: u64 = 2048;
/// A case in whose time the kernel has printed a report may go on for this part of its time.
const AFTER_REPORT: u32 = 4;

/// Watches one guest.
#[derive(Debug)]
pub struct Watchdog {
    timeouts: Timeouts,
    factor: f64,
    phase: Phase,
    entered: Duration,
    /// When the current phase last made progress.
    progressed: Duration,
    console: u64,
    /// The size of the console when the current phase began.
    console_before: u64,
    /// When the kernel printed a report in the current phase.
    reported: Option<Duration>,
    planned: bool,
    /// Time during which this program was stopped, or QEMU had to wait for a processor.
    excused: Duration,
}

impl Watchdog {
    /// Watches a guest that was just started.
    pub fn new(timeouts: Timeouts) -> Self {
        let (entered, progressed, excused) = (Duration::ZERO, Duration::ZERO, Duration::ZERO);
        Watchdog {
            timeouts,
            factor: 1.0,
            phase: Phase::Firmware,
            entered,
            progressed,
            console: 0,
            console_before: 0,
            reported: None,
            planned: false,
            excused,
        }
    }

    /// The current phase.
    pub fn phase(&self) -> &Phase {
        &self.phase
    }

    /// Reports the current size of the console.
    pub fn console(&mut self, len: u64, now: Duration) {
        if len > self.console {
            self.console = len;
            match self.phase {
                Phase::Firmware => self.enter(Phase::Kernel, now),
                Phase::Kernel | Phase::Runner => self.progressed = now,
                Phase::Case { .. } if len - self.console_before >= REPORT => {
                    self.reported.get_or_insert(now);
                }
                _ => {}
            }
        }
    }

    /// Reports a record on the result channel.
    pub fn record(&mut self, record: &Record, now: Duration) {
        self.progressed = now;
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

    /// Reports that this program was stopped, or QEMU had to wait for a processor, for this long. It does not count for deadlines.
    pub fn excuse(&mut self, gap: Duration) {
        self.excused += gap;
        self.entered += gap;
        self.progressed += gap;
        self.reported = self.reported.map(|at| at + gap);
    }

    /// How the guest ended, if a deadline has passed.
    pub fn overdue(&self, now: Duration) -> Option<GuestEnd> {
        let timeouts = &self.timeouts;
        let in_phase = now.saturating_sub(self.entered);
        let silent = now.saturating_sub(self.progressed);
        let (waited, allowed) = match &self.phase {
            Phase::Firmware => (in_phase, timeouts.firmware),
            Phase::Kernel | Phase::Boot => (silent, timeouts.kernel),
            Phase::Runner => (silent, timeouts.runner.mul_f64(self.factor)),
            // Steps are not progress: the case must end. The runner kills it at its limit, but may hang itself.
            Phase::Case { limit_ms, .. } => {
                let allowed = Duration::from_millis(*limit_ms) + timeouts.grace.mul_f64(self.factor);
                let reported = self.reported.map(|at| at.saturating_sub(self.entered) + allowed / AFTER_REPORT);
                (in_phase, reported.map_or(allowed, |reported| reported.min(allowed)))
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
        self.progressed = now;
        self.console_before = self.console;
        self.reported = None;
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

    /// The phase whose deadline has passed at `now`, and how long it waited.
    fn stalled(watch: &Watchdog, now: Duration) -> Option<(Phase, u64)> {
        watch.overdue(now).map(|end| match end {
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
        // The same size again is not progress.
        watch.console(1, seconds(70));
        assert_eq!(stalled(&watch, seconds(81)), Some((Phase::Kernel, 31_000)));
        watch.console(2, seconds(70));
        assert_eq!(stalled(&watch, seconds(100)), None);
    }

    #[test]
    fn a_kernel_that_prints_for_ever_is_stalled() {
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
    fn a_case_that_hangs_after_a_report_of_the_kernel_ends_sooner() {
        let mut watch = Watchdog::new(Timeouts::default());
        watch.console(9000, seconds(1));
        watch.record(&hello(), seconds(1));
        watch.record(&begin(), seconds(2));
        watch.console(9000 + REPORT - 1, seconds(3));
        assert_eq!(stalled(&watch, seconds(8)), None);
        // The limit of 5 s and the grace of 10 s, divided by four, after the report.
        watch.console(9000 + REPORT, seconds(4));
        watch.console(9000 + 2 * REPORT, seconds(7));
        assert_eq!(stalled(&watch, Duration::from_millis(7700)), None);
        assert!(matches!(stalled(&watch, seconds(8)), Some((Phase::Case { .. }, 6000))));
        watch.record(&begin(), seconds(8));
        assert_eq!(stalled(&watch, seconds(23)), None);
    }

    #[test]
    fn a_guest_under_a_debugger_has_no_deadline() {
        let mut watch = Watchdog::new(Timeouts::endless());
        let days = |days: u64| seconds(days * 24 * 3600);
        assert_eq!(stalled(&watch, days(1)), None);
        watch.record(&hello(), days(2));
        watch.record(&begin(), days(2));
        assert_eq!(stalled(&watch, days(30)), None);
    }

    #[test]
    fn a_slow_boot_extends_later_deadlines() {
        let mut watch = Watchdog::new(Timeouts::default());
        watch.record(&hello(), seconds(30));
        watch.record(&begin(), seconds(30));
        assert_eq!(stalled(&watch, seconds(30 + 5 + 100)), None);
        assert!(stalled(&watch, seconds(30 + 5 + 101)).is_some());
    }

    #[test]
    fn time_during_which_this_program_was_stopped_does_not_count() {
        let mut watch = Watchdog::new(Timeouts::default());
        watch.console(1, seconds(1));
        watch.excuse(seconds(600));
        assert_eq!(stalled(&watch, seconds(610)), None);
    }
}
