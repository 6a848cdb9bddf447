//! Cuts a console into complaints.
//!
//! Two processors may report at once and their lines mix. Where the console shows who printed a line
//! (CONFIG_PRINTK_CALLER), each caller has a report of its own; where it does not, all lines count as of one caller, and
//! every title is still found.

use std::collections::HashMap;

use cases::complaint::{Kind, kind_of};
use cases::protocol::{CaseKey, marked_case};

use super::frame::{frame, is_noise, trace};
use super::line::{ConsoleLine, lines};
use super::title::normalise;
use super::{Complaint, Moment, Start};

/// Lines that are kept of a report.
const LONGEST: usize = 160;
/// Bytes that are kept of a line.
const WIDEST: usize = 400;
/// Complaints that are kept of a console. A kernel that complains in a loop has said what it has to say by then; a panic
/// is kept whatever came before it.
const MOST: usize = 500;
/// Lines between `cut here` and the title of its frame.
const FRAME: usize = 20;

const CUT_HERE: &str = "------------[ cut here ]------------";

/// Finds every complaint on a console, in the order of their first lines.
pub fn scan(console: &[u8]) -> Vec<Complaint> {
    let text = String::from_utf8_lossy(console);
    let mut scanner = Scanner::default();
    for line in lines(&text) {
        scanner.take(line);
    }
    scanner.complaints.into_iter().map(finish).collect()
}

#[derive(Default)]
struct Scanner {
    complaints: Vec<Complaint>,
    case: Option<CaseKey>,
    callers: HashMap<String, Caller>,
    /// The console shows priorities, so a line without one is not of the kernel.
    priorities: bool,
}

/// What one caller is in the middle of.
#[derive(Default)]
struct Caller {
    /// Lines since `cut here`, until the title comes.
    frame: Option<Vec<String>>,
    /// The line before, outside of any report. Newer kernels print `cut here` at a level that our console leaves out, so
    /// the text that a WARN() has of its own comes out of the blue.
    before: Option<String>,
    report: Option<Report>,
}

/// A report that may still go on.
struct Report {
    /// Its place among the complaints.
    index: usize,
    kind: Kind,
    /// Whether its trace has ended: a title after that is a complaint of its own.
    traced: bool,
    /// Whether its last line has come; registers may follow.
    ended: bool,
    /// Which machinery has spoken in it already, each of which does so once.
    wrapped: Vec<Wrapper>,
}

/// Machinery that other checks report through.
#[derive(Clone, Copy, PartialEq)]
enum Wrapper {
    Warning,
    Bug,
    Trap,
}

impl Scanner {
    fn take(&mut self, line: ConsoleLine<'_>) {
        self.priorities |= line.priority.is_some();
        let ours = line.priority.is_none() || line.is_from_a_program();
        if let Some(case) = marked_case(line.text).filter(|_| ours) {
            self.case = Some(case);
            // Who is in the middle of a report goes on with it, and it stays where it began.
            self.callers.retain(|_, caller| caller.report.as_ref().is_some_and(|report| !report.traced));
            return;
        }
        if line.is_from_a_program() || self.priorities && line.priority.is_none() {
            return;
        }
        let mut caller = self.callers.remove(line.caller.unwrap_or_default()).unwrap_or_default();
        self.hear(&mut caller, &line);
        self.callers.insert(line.caller.unwrap_or_default().to_string(), caller);
    }

    fn hear(&mut self, caller: &mut Caller, line: &ConsoleLine<'_>) {
        let message = line.text;
        if message.contains(CUT_HERE) {
            // A check may announce itself before the frame; whoever is further on has been interrupted by another fault.
            let announced = caller.report.as_ref().is_some_and(|report| self.complaints[report.index].lines.len() < 3);
            if !announced {
                caller.report = None;
                caller.frame = Some(vec![message.to_string()]);
                return;
            }
        }
        match kind_of(message) {
            Some(kind) => match caller.report.as_mut().filter(|report| report.goes_on_with(kind, message)) {
                Some(report) => {
                    report.wrapped.extend(wrapper(message));
                    let complaint = &mut self.complaints[report.index];
                    complaint.starts.push(start(line));
                    add(complaint, message);
                }
                None => self.open(caller, kind, line),
            },
            None => match (&mut caller.frame, &mut caller.report) {
                (Some(frame), _) if frame.len() < FRAME => frame.push(message.to_string()),
                (Some(_), _) => caller.frame = None,
                (None, Some(report)) => {
                    let complaint = &mut self.complaints[report.index];
                    let goes_on = match report.ended {
                        true => belongs_after_the_end(message) && !is_ruler(message),
                        // Where a trace is over, a ruler opens the frame of another report.
                        false => !report.traced || is_framed(report.kind) || !is_ruler(message),
                    };
                    if goes_on {
                        add(complaint, message);
                        report.read(message, complaint.lines.len());
                    } else {
                        caller.report = None;
                        caller.before = Some(message.to_string());
                    }
                }
                // Another processor shows its stack for a report of this one.
                (None, None) => {
                    caller.before = Some(message.to_string());
                    let stall = self.complaints.last_mut().filter(|complaint| is_stall(complaint.kind));
                    if let Some(complaint) = stall.filter(|_| line.caller.is_some()) {
                        add(complaint, message);
                    }
                }
            },
        }
    }

    fn open(&mut self, caller: &mut Caller, kind: Kind, line: &ConsoleLine<'_>) {
        let before = caller.before.take().filter(|_| kind == Kind::Warning && line.caller.is_some());
        let frame = caller.frame.take().unwrap_or_else(|| before.into_iter().collect());
        caller.report = None;
        if self.complaints.len() >= MOST && !line.text.starts_with("Kernel panic") {
            return;
        }
        // WARN() with a text of its own prints it before the line that names the place.
        let own = |text: &&String| kind == Kind::Warning && !text.contains(CUT_HERE) && !text.trim().is_empty();
        let mut title = normalise(line.text);
        if let Some(text) = frame.iter().find(own) {
            title = format!("{title}: {}", normalise(text));
        }
        let mut complaint = Complaint {
            kind,
            title,
            frame: None,
            trace: Vec::new(),
            case: self.case.clone(),
            moment: Moment::Unknown,
            suppressed: None,
            lines: Vec::new(),
            starts: vec![start(line)],
        };
        frame.iter().map(String::as_str).chain([line.text]).for_each(|line| add(&mut complaint, line));
        self.complaints.push(complaint);
        let index = self.complaints.len() - 1;
        let wrapped = wrapper(line.text).into_iter().collect();
        caller.report = Some(Report { index, kind, traced: false, ended: false, wrapped });
    }
}

impl Report {
    /// Whether a title is a part of this report and not a complaint of its own.
    fn goes_on_with(&self, kind: Kind, message: &str) -> bool {
        // Known by its dump, the end of this one is the process that it killed.
        if self.kind == Kind::OutOfMemory && kind == Kind::OutOfMemory {
            return true;
        }
        let announces = matches!(
            self.kind,
            Kind::ListCorruption
                | Kind::Refcount
                | Kind::FileRef
                | Kind::Vfs
                | Kind::DebugObjects
                | Kind::Fortify
                | Kind::Usercopy
                | Kind::SlabCorruption
                | Kind::NullDereference
                | Kind::PageFault
                | Kind::StackOverflow
                | Kind::Bug
        );
        !self.traced && announces && wrapper(message).is_some_and(|wrapper| !self.wrapped.contains(&wrapper))
    }

    fn read(&mut self, message: &str, lines: usize) {
        self.traced |= message.trim() == "</TASK>";
        self.ended |= message.starts_with("---[ end ") || is_ruler(message) && lines > 3 && is_framed(self.kind);
        self.traced |= self.ended;
    }
}

fn wrapper(message: &str) -> Option<Wrapper> {
    if message.starts_with("WARNING: ") {
        Some(Wrapper::Warning)
    } else if message.starts_with("kernel BUG at ") {
        Some(Wrapper::Bug)
    } else if message.starts_with("Oops: ") || message.contains(" [#") {
        Some(Wrapper::Trap)
    } else {
        None
    }
}

/// Reports that end as they began, with a line of equals signs.
fn is_framed(kind: Kind) -> bool {
    matches!(kind, Kind::Kasan | Kind::Kfence | Kind::Kcsan | Kind::Kmsan)
}

fn is_stall(kind: Kind) -> bool {
    matches!(kind, Kind::RcuStall | Kind::SoftLockup | Kind::HardLockup | Kind::WorkqueueStall | Kind::HungTask)
}

/// The line that frames reports of sanitizers and lockdep.
fn is_ruler(message: &str) -> bool {
    message.len() >= 20 && message.bytes().all(|byte| byte == b'=')
}

/// What die() prints below its last line.
fn belongs_after_the_end(message: &str) -> bool {
    message.starts_with("RIP: ") || message.starts_with("note: ") || is_noise(message)
}

fn start(line: &ConsoleLine<'_>) -> Start {
    Start { us: line.us, line: line.text.chars().take(WIDEST).collect() }
}

fn add(complaint: &mut Complaint, line: &str) {
    if complaint.lines.len() < LONGEST {
        complaint.lines.push(line.chars().take(WIDEST).collect());
    }
}

/// What only the whole report tells.
fn finish(mut complaint: Complaint) -> Complaint {
    complaint.trace = trace(&complaint.lines);
    complaint.frame = frame(&complaint.lines, &complaint.trace);
    // With KASAN a null pointer is first of all an address without a shadow.
    if complaint.lines.iter().any(|line| line.starts_with("KASAN: null-ptr-deref in range")) {
        complaint.kind = Kind::NullDereference;
    }
    complaint
}

#[cfg(test)]
mod tests;
