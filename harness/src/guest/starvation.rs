//! How long a guest was ready to run while other programs had the processors. On a busy host that is most of the time, and
//! says nothing about its kernel.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// Reads /proc/PID/task/TID/schedstat (Documentation/scheduler/sched-stats.rst) of all threads of QEMU.
#[derive(Debug)]
pub(super) struct Starvation {
    tasks: PathBuf,
    /// What each thread had waited at the last look.
    waited: BTreeMap<PathBuf, Duration>,
}

impl Starvation {
    /// For the process with this id.
    pub(super) fn of(pid: u32) -> Self {
        Starvation { tasks: PathBuf::from(format!("/proc/{pid}/task")), waited: BTreeMap::new() }
    }

    /// What the thread that waited longest has waited since the last look; 0 if the host keeps no such statistics.
    pub(super) fn since_last(&mut self) -> Duration {
        let threads = std::fs::read_dir(&self.tasks).into_iter().flatten().flatten().map(|thread| thread.path());
        let now: BTreeMap<PathBuf, Duration> = threads
            .filter_map(|thread| {
                let text = std::fs::read_to_string(thread.join("schedstat")).ok()?;
                Some((thread, waited(&text)?))
            })
            .collect();
        let more = |(thread, waited): (&PathBuf, &Duration)| {
            waited.saturating_sub(self.waited.get(thread).copied().unwrap_or_default())
        };
        let longest = now.iter().map(more).max().unwrap_or_default();
        self.waited = now;
        longest
    }
}

/// The second number: nanoseconds on a run queue.
fn waited(schedstat: &str) -> Option<Duration> {
    schedstat.split_whitespace().nth(1)?.parse().ok().map(Duration::from_nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_on_a_run_queue_is_the_second_number() {
        assert_eq!(waited("192725000 7595500000 419\n"), Some(Duration::from_nanos(7_595_500_000)));
        assert_eq!(waited("0 0\n"), Some(Duration::ZERO));
        assert_eq!(waited(""), None);
    }

    #[test]
    fn each_look_counts_from_the_last_one() {
        let scratch = tempfile::tempdir().unwrap();
        let mut starvation = Starvation { tasks: scratch.path().into(), waited: BTreeMap::new() };
        assert_eq!(starvation.since_last(), Duration::ZERO);
        let stat = |thread: &str, waited: u64| {
            let thread = scratch.path().join(thread);
            std::fs::create_dir_all(&thread).unwrap();
            std::fs::write(thread.join("schedstat"), format!("5 {waited} 1\n")).unwrap();
        };
        stat("1", 100);
        stat("2", 300);
        assert_eq!(starvation.since_last(), Duration::from_nanos(300));
        stat("1", 150);
        assert_eq!(starvation.since_last(), Duration::from_nanos(50));
        assert_eq!(starvation.since_last(), Duration::ZERO);
    }
}
