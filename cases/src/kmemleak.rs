//! Leaked memory, as kmemleak finds it (Documentation/dev-tools/kmemleak.rst).
//!
//! kmemleak reports objects that are older than five seconds (`MSECS_MIN_AGE` in mm/kmemleak.c) and did not change
//! between two scans, and a scan of an emulated machine is slow: scans after each case would take a quarter of an hour.
//! So there is one search after all cases of a guest. The tick at which an object was allocated tells which case caused
//! it: no two cases share a tick, and all allocations for a case, by its processes or by kernel threads, happen while
//! it runs.

use std::fs;
use std::io::{BufRead, BufReader};
use std::time::{Duration, Instant};

use crate::protocol::{CaseKey, Leak};

const FILE: &str = "/sys/kernel/debug/kmemleak";
/// Contains the value of `jiffies` (kernel/time/timer_list.c), the unit of kmemleak's allocation times.
const TICKS: &str = "/proc/timer_list";
/// `MSECS_MIN_AGE` and a few ticks.
const AGE: Duration = Duration::from_millis(5100);
/// Time limit for the next tick. A tick takes 10 ms at most, but may be delayed on a busy host.
const NEXT_TICK: Duration = Duration::from_secs(2);
/// Functions of a backtrace that are kept, the allocator first; kmemleak itself stores no more.
const FRAMES: usize = 16;
/// Maximum number of different leaks reported.
const MOST: usize = 1000;

/// Result of a search.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct LeakSearch {
    /// One leak for each case and backtrace, in the order of the cases; leaks from before the first case come first.
    pub leaks: Vec<Leak>,
    /// Why the search may be incomplete.
    pub doubt: Option<String>,
}

/// Records when each case ran.
#[derive(Debug)]
pub struct Kmemleak {
    /// Each case with the last tick before it.
    begun: Vec<(CaseKey, u64)>,
}

impl Kmemleak {
    /// None when the kernel was built without kmemleak.
    pub fn open() -> Option<Self> {
        fs::exists(FILE).unwrap_or(false).then(|| Kmemleak { begun: Vec::new() })
    }

    /// Called before a case begins. Waits for the next tick, so that allocations of this case are not attributed to the
    /// previous one.
    ///
    /// # Errors
    /// When the value of jiffies cannot be read, or does not change.
    pub fn begins(&mut self, case: &CaseKey) -> Result<(), String> {
        let last = ticks()?;
        let start = Instant::now();
        while ticks()? == last {
            if start.elapsed() > NEXT_TICK {
                return Err("the kernel's jiffies do not advance".into());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        self.begun.push((case.clone(), last));
        Ok(())
    }

    /// Searches for leaked memory, five seconds after the last case.
    ///
    /// # Errors
    /// When kmemleak disabled itself, usually for lack of memory, or cannot be read.
    pub fn search(&self) -> Result<LeakSearch, String> {
        let over = Instant::now();
        let scan = || fs::write(FILE, "scan").map_err(|error| format!("{FILE}: cannot start a scan: {error}"));
        // The first scan computes checksums of all leaked objects, the second reports those that are unchanged.
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
    jiffies.ok_or_else(|| format!("{TICKS} has no value of jiffies"))
}

/// One object as kmemleak describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Object {
    size: u64,
    comm: String,
    ticks: u64,
    frames: Vec<String>,
}

/// The objects of a report, parsed line by line.
#[derive(Debug, Default)]
struct Leaks {
    /// Objects that differ only in their time, with all their ticks.
    objects: Vec<(Object, Vec<u64>)>,
    open: Option<Object>,
    strange: Option<String>,
}

impl Leaks {
    /// `print_unreferenced()`: a title, a line about the allocation, a dump of the first bytes, the backtrace with the
    /// allocator first. Up to 6.8 there is an address before each function.
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
            // A name may contain quotes, but not what follows it.
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
        let mut doubt = self.strange.map(|line| format!("{FILE} has a line of unknown format: {line}"));
        let mut leaks: Vec<(usize, Leak)> = Vec::new();
        for (object, all) in self.objects {
            for ticks in all {
                // Jiffies wrap at 2^64; a guest does not run that long.
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
            doubt = Some(format!("{} different leaks, only the first {MOST} are reported", leaks.len()));
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
    fn an_object_belongs_to_the_case_that_ran_when_it_was_allocated() {
        let found = found(REPORT, &[("a/one", 4_294_937_399), ("a/two", 4_294_937_499)]).leaks;
        let cases: Vec<_> = found.iter().map(|leak| leak.case.as_ref().map_or("none", CaseKey::id)).collect();
        assert_eq!(cases, ["none", "a/one", "a/two"]);
        assert_eq!((found[1].size, found[1].comm.as_str(), found[1].objects), (64, "a\", pid 7", 1));
        assert_eq!(found[1].frames, ["kmalloc_trace+0x24/0x90", "dma_buf_export+0x10/0x200"]);
        assert_eq!(found[2].frames, ["__kmalloc_cache_noprof+0x1b7/0x2d0", "dma_buf_ioctl+0x3c4/0x5a0"]);
    }

    #[test]
    fn the_tick_in_which_a_case_was_announced_belongs_to_the_one_before() {
        let case = |before| found(REPORT, &[("a/one", 1), ("a/two", before)]).leaks[2].case.clone().unwrap();
        assert_eq!(case(4_294_937_500).id(), "a/one");
        assert_eq!(case(4_294_937_499).id(), "a/two");
    }

    #[test]
    fn equal_objects_are_counted_per_case() {
        let later = REPORT.replace("4294937500", "4294937600");
        let begun = [("a/one", 4_294_937_000), ("a/two", 4_294_937_599)];
        let found = found(&format!("{REPORT}{REPORT}{later}"), &begun).leaks;
        let counts: Vec<_> = found.iter().filter(|leak| leak.size == 32).map(|leak| leak.objects).collect();
        assert_eq!(counts, [2, 1]);
    }

    #[test]
    fn unknown_lines_are_reported() {
        for (from, to) in [("(size 64)", "(length 64)"), ("jiffies 4294937500", "born 4294937500")] {
            let found = found(&REPORT.replace(from, to), &[]);
            assert!(found.doubt.is_some_and(|doubt| doubt.contains(to)));
        }
        assert_eq!(found("", &[]), LeakSearch::default());
    }

    #[test]
    fn the_number_of_leaks_is_limited() {
        let sizes: String = (0..MOST + 7).map(|size| REPORT.replace("(size 32)", &format!("(size 1{size})"))).collect();
        let found = found(&sizes, &[]);
        assert_eq!(found.leaks.len(), MOST);
        assert!(found.doubt.is_some());
    }
}
