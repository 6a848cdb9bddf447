//! Memory that nothing points to any more, as kmemleak finds it (Documentation/dev-tools/kmemleak.rst).
//!
//! kmemleak reports what is older than five seconds (`MSECS_MIN_AGE` in mm/kmemleak.c) and was not written to between two
//! scans, and a scan of an emulated machine is not for nothing: after each case this would take a quarter of an hour. So one search
//! comes when all cases of a guest are over. Whose an object is tells the tick at which it was allocated: no two cases share
//! one, and whoever allocates for a case, a process of it or a worker of the kernel, does so at its time.

use std::fs;
use std::io::{BufRead, BufReader};
use std::time::{Duration, Instant};

use crate::protocol::{CaseKey, Leak};

const FILE: &str = "/sys/kernel/debug/kmemleak";
/// Says what `jiffies` is: the unit in which kmemleak remembers when an object was made (kernel/time/timer_list.c).
const TICKS: &str = "/proc/timer_list";
/// `MSECS_MIN_AGE` and a few ticks.
const AGE: Duration = Duration::from_millis(5100);
/// A tick takes 10 ms at most, and one that is overdue comes when the processor gets to it.
const NEXT_TICK: Duration = Duration::from_secs(2);
/// Functions of a backtrace that are kept, from the allocator outwards; kmemleak itself has no more.
const FRAMES: usize = 16;
/// Different leaks that are told at most.
const MOST: usize = 1000;

/// What a search found.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct LeakSearch {
    /// One leak for each case and place, in the order of the cases; those from before the first case come first.
    pub leaks: Vec<Leak>,
    /// Why this may not be all.
    pub doubt: Option<String>,
}

/// Knows when each case ran.
#[derive(Debug)]
pub struct Kmemleak {
    /// Each case with the tick before its first one.
    begun: Vec<(CaseKey, u64)>,
}

impl Kmemleak {
    /// Nothing where the kernel was built without it.
    pub fn open() -> Option<Self> {
        fs::exists(FILE).unwrap_or(false).then(|| Kmemleak { begun: Vec::new() })
    }

    /// A case is about to begin. Waits for the next tick, so that nothing of this case can be taken for one of the last.
    ///
    /// # Errors
    /// When the kernel does not tell its ticks, or there are none.
    pub fn begins(&mut self, case: &CaseKey) -> Result<(), String> {
        let last = ticks()?;
        let start = Instant::now();
        while ticks()? == last {
            if start.elapsed() > NEXT_TICK {
                return Err("the kernel's clock stands still".into());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        self.begun.push((case.clone(), last));
        Ok(())
    }

    /// Looks for memory that nothing points to, five seconds after the last case.
    ///
    /// # Errors
    /// When kmemleak gave up, for want of memory as a rule, or does not answer.
    pub fn search(&self) -> Result<LeakSearch, String> {
        let over = Instant::now();
        let scan = || fs::write(FILE, "scan").map_err(|error| format!("{FILE} does not scan: {error}"));
        // The first takes sums over all that is lost, the second reports what is still the same.
        scan()?;
        std::thread::sleep(AGE.saturating_sub(over.elapsed()));
        scan()?;
        let file = fs::File::open(FILE).map_err(|error| format!("{FILE}: {error}"))?;
        let mut leaks = Leaks::default();
        for line in BufReader::new(file).lines() {
            leaks.line(&line.map_err(|error| format!("{FILE}: {error}"))?);
        }
        Ok(leaks.finish(&self.begun))
    }
}

fn ticks() -> Result<u64, String> {
    let text = fs::read_to_string(TICKS).map_err(|error| format!("{TICKS}: {error}"))?;
    let jiffies = text.lines().find_map(|line| line.strip_prefix("jiffies: ")?.trim().parse().ok());
    jiffies.ok_or_else(|| format!("{TICKS} does not say what jiffies is"))
}

/// One object as kmemleak describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Object {
    size: u64,
    comm: String,
    ticks: u64,
    frames: Vec<String>,
}

/// The objects of a report, as its lines come.
#[derive(Debug, Default)]
struct Leaks {
    /// Those that are alike but for their time, with all their ticks.
    objects: Vec<(Object, Vec<u64>)>,
    open: Option<Object>,
    strange: Option<String>,
}

impl Leaks {
    /// `print_unreferenced()`: a headline, a line about the allocation, a dump of the first bytes, functions from the
    /// allocator outwards. Up to 6.8 an address stands before each function.
    fn line(&mut self, line: &str) {
        if line.starts_with("unreferenced object") {
            self.close();
            let size = line.split_once("(size ").and_then(|(_, rest)| rest.split(')').next()?.parse().ok());
            self.open = size.map(|size| Object { size, comm: String::new(), ticks: 0, frames: Vec::new() });
            if self.open.is_none() {
                self.strange.get_or_insert_with(|| line.into());
            }
            return;
        }
        let Some(object) = &mut self.open else { return };
        if let Some(rest) = line.strip_prefix("  comm \"") {
            // A name may hold quotes, but nothing of what comes behind it.
            let told = rest.rsplit_once("\", pid ").and_then(|(comm, rest)| {
                let ticks = rest.split_once("jiffies ")?.1.split_whitespace().next()?.parse().ok()?;
                Some((comm.to_string(), ticks))
            });
            match told {
                Some((comm, ticks)) => (object.comm, object.ticks) = (comm, ticks),
                None => drop(self.strange.get_or_insert_with(|| line.into())),
            }
        } else if let Some(frame) = line.strip_prefix("    ").map(str::trim).filter(|frame| frame.contains("+0x")) {
            let frame = frame.split_once(">] ").map_or(frame, |(_, frame)| frame);
            if object.frames.len() < FRAMES && !frame.contains(' ') {
                object.frames.push(frame.into());
            }
        }
    }

    fn close(&mut self) {
        let Some(object) = self.open.take() else { return };
        let ticks = object.ticks;
        let alike =
            |known: &Object| (known.size, &known.comm, &known.frames) == (object.size, &object.comm, &object.frames);
        match self.objects.iter_mut().find(|(known, _)| alike(known)) {
            Some((_, all)) => all.push(ticks),
            None => self.objects.push((object, vec![ticks])),
        }
    }

    fn finish(mut self, begun: &[(CaseKey, u64)]) -> LeakSearch {
        self.close();
        let mut doubt = self.strange.map(|line| format!("{FILE} has a line that makes no sense: {line}"));
        let mut leaks: Vec<(usize, Leak)> = Vec::new();
        for (object, all) in self.objects {
            for ticks in all {
                // Jiffies are modulo 2^64; a guest does not live that long.
                let number = begun.partition_point(|(_, before)| *before < ticks);
                let case = number.checked_sub(1).map(|index| begun[index].0.clone());
                let same = |leak: &Leak| leak.case == case && leak.frames == object.frames && leak.size == object.size;
                match leaks.iter_mut().find(|(_, leak)| same(leak)) {
                    Some((_, leak)) => leak.objects += 1,
                    None => {
                        let (size, comm, frames) = (object.size, object.comm.clone(), object.frames.clone());
                        leaks.push((number, Leak { case, objects: 1, size, comm, frames }));
                    }
                }
            }
        }
        leaks.sort_by_key(|(number, _)| *number);
        if leaks.len() > MOST {
            doubt = Some(format!("there are {} different leaks, and the first {MOST} are told", leaks.len()));
        }
        LeakSearch { leaks: leaks.into_iter().take(MOST).map(|(_, leak)| leak).collect(), doubt }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Linux 7.2 and, the second, 6.1.
    const REPORT: &str = "\
unreferenced object 0xffff888003a1c2c0 (size 32):
  comm \"init\", pid 61, jiffies 4294937500
  hex dump (first 32 bytes):
    00 01 00 00 00 00 ad de 22 01 00 00 00 00 ad de  ........\".......
    2b 30 78 00 00 00 00 00 00 00 00 00 00 00 00 00  +0x.............
  backtrace (crc 0):
    __kmalloc_cache_noprof+0x1b7/0x2d0
    dma_buf_ioctl+0x3c4/0x5a0
unreferenced object 0xffff888003a1c300 (size 64):
  comm \"a\", pid 7\", pid 2, jiffies 4294937400 (age 8.010s)
  hex dump (first 32 bytes):
    00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00  ................
  backtrace:
    [<00000000a1b2c3d4>] kmalloc_trace+0x24/0x90
    [<00000000a1b2c3d5>] dma_buf_export+0x10/0x200
unreferenced object (percpu) 0x607f3a1c300 (size 8):
  comm \"swapper/0\", pid 1, jiffies 4294937296
  hex dump (first 8 bytes on cpu 0):
    00 00 00 00 00 00 00 00  ........
  backtrace (crc 0):
    pcpu_alloc_noprof+0x1/0x2
";

    fn found(text: &str, begun: &[(&str, u64)]) -> LeakSearch {
        let mut leaks = Leaks::default();
        text.lines().for_each(|line| leaks.line(line));
        let begun: Vec<_> = begun.iter().map(|(id, ticks)| (CaseKey::new(id, "udmabuf"), *ticks)).collect();
        leaks.finish(&begun)
    }

    #[test]
    fn an_object_is_of_the_case_at_whose_time_it_was_allocated() {
        let found = found(REPORT, &[("a/one", 4_294_937_399), ("a/two", 4_294_937_499)]).leaks;
        let cases: Vec<_> = found.iter().map(|leak| leak.case.as_ref().map_or("none", CaseKey::id)).collect();
        assert_eq!(cases, ["none", "a/one", "a/two"]);
        assert_eq!((found[1].size, found[1].comm.as_str(), found[1].objects), (64, "a\", pid 7", 1));
        assert_eq!(found[1].frames, ["kmalloc_trace+0x24/0x90", "dma_buf_export+0x10/0x200"]);
        assert_eq!(found[2].frames, ["__kmalloc_cache_noprof+0x1b7/0x2d0", "dma_buf_ioctl+0x3c4/0x5a0"]);
    }

    #[test]
    fn the_tick_in_which_a_case_was_announced_is_of_the_one_before() {
        let case = |before| found(REPORT, &[("a/one", 1), ("a/two", before)]).leaks[2].case.clone().unwrap();
        assert_eq!(case(4_294_937_500).id(), "a/one");
        assert_eq!(case(4_294_937_499).id(), "a/two");
    }

    #[test]
    fn what_is_alike_is_counted_and_cases_are_kept_apart() {
        let later = REPORT.replace("4294937500", "4294937600");
        let begun = [("a/one", 4_294_937_000), ("a/two", 4_294_937_599)];
        let found = found(&format!("{REPORT}{REPORT}{later}"), &begun).leaks;
        let counts: Vec<_> = found.iter().filter(|leak| leak.size == 32).map(|leak| leak.objects).collect();
        assert_eq!(counts, [2, 1]);
    }

    #[test]
    fn what_is_not_understood_is_no_silence() {
        for (from, to) in [("(size 64)", "(length 64)"), ("jiffies 4294937500", "born 4294937500")] {
            let found = found(&REPORT.replace(from, to), &[]);
            assert!(found.doubt.is_some_and(|doubt| doubt.contains(to)));
        }
        assert_eq!(found("", &[]), LeakSearch::default());
    }

    #[test]
    fn no_more_are_told_than_anybody_reads() {
        let sizes: String = (0..MOST + 7).map(|size| REPORT.replace("(size 32)", &format!("(size 1{size})"))).collect();
        let found = found(&sizes, &[]);
        assert_eq!(found.leaks.len(), MOST);
        assert!(found.doubt.is_some());
    }
}
