//! Finds the complaints on a console.
//!
//! Two processors may report at once, and then their lines are mixed. If the console shows the caller of each line
//! (CONFIG_PRINTK_CALLER), each caller has its own report. If not, all lines count as from one caller, and every title is still
//! found.

use std::collections::HashMap;

use cases::complaint::{Kind, kind_of};
use cases::protocol::{CaseKey, marked_case};

use super::frame::{Place, is_noise, is_open_trace_head, is_trace_head, is_trace_line, place};
use super::line::{ConsoleLine, lines};
use super::title::normalise;
use super::{Complaint, ComplaintTime, Start};

/// How many lines of a report are kept.
const LONGEST: usize = 160;
/// How many lines more are kept from the first stack trace on, if it comes after these.
const LATE_TRACE: usize = 60;
/// How many characters of a line are kept.
const WIDEST: usize = 400;
/// How many complaints of a console are kept, in case the kernel complains in a loop. A panic is always kept.
const MOST: usize = 500;
/// How many lines there may be between `cut here` and the title.
const HEADER: usize = 20;

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
    /// Whether the console shows priorities; then a line without one is not from the kernel.
    priorities: bool,
}

/// The state of one caller.
#[derive(Default)]
struct Caller {
    /// Lines from `cut here` to the title.
    header: Option<Vec<String>>,
    /// The previous line outside of any report. Newer kernels print `cut here` at a level that our console does not show, so
    /// the text of a WARN() comes without it.
    previous: Option<String>,
    report: Option<Report>,
}

/// A report that may continue.
struct Report {
    /// Its index in the complaints.
    index: usize,
    kind: Kind,
    /// Whether its trace has ended: a title after that starts another complaint.
    traced: bool,
    /// Whether the lines of its trace are being read.
    tracing: bool,
    /// Whether its last line has come; registers may follow.
    ended: bool,
    /// The wrappers that it already contains; each comes at most once.
    wrapped: Vec<Wrapper>,
}

/// Generic reports that other checks end in.
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
            // A report that has begun continues, and belongs to the case in which it began.
            self.callers.retain(|_, caller| caller.report.as_ref().is_some_and(|report| !report.traced));
            return;
        }
        if line.is_from_a_program() || self.priorities && line.priority.is_none() {
            return;
        }
        let mut caller = self.callers.remove(line.caller.unwrap_or_default()).unwrap_or_default();
        self.take_from(&mut caller, &line);
        self.callers.insert(line.caller.unwrap_or_default().to_string(), caller);
    }

    fn take_from(&mut self, caller: &mut Caller, line: &ConsoleLine<'_>) {
        let message = line.text;
        if message.contains(CUT_HERE) {
            // A check may print a line before `cut here`; a longer report was interrupted by another fault.
            let continued = caller.report.as_ref().is_some_and(|report| self.complaints[report.index].lines.len() < 3);
            if !continued {
                caller.report = None;
                caller.header = Some(vec![message.to_string()]);
                return;
            }
        }
        match kind_of(message) {
            Some(kind) => match caller.report.as_mut().filter(|report| report.goes_on_with(kind, message)) {
                Some(report) => {
                    report.wrapped.extend(wrapper(kind, message));
                    let complaint = &mut self.complaints[report.index];
                    complaint.starts.push(start(line));
                    add(complaint, message);
                }
                None => self.open(caller, kind, line),
            },
            None => match (&mut caller.header, &mut caller.report) {
                (Some(header), _) if header.len() < HEADER => header.push(message.to_string()),
                (Some(_), _) => caller.header = None,
                (None, Some(report)) => {
                    let complaint = &mut self.complaints[report.index];
                    let goes_on = match report.ended {
                        true => belongs_after_the_end(message) && !is_ruler(message),
                        // After a trace, a ruler starts another report.
                        false => !report.traced || is_framed(report.kind) || !is_ruler(message),
                    };
                    if goes_on {
                        add(complaint, message);
                        report.read(message, complaint.lines.len());
                    } else {
                        caller.report = None;
                        caller.previous = Some(message.to_string());
                    }
                }
                // Another processor prints its stack for a stall report.
                (None, None) => {
                    caller.previous = Some(message.to_string());
                    let stall = self.complaints.last_mut().filter(|complaint| complaint.kind.is_stall());
                    if let Some(complaint) = stall.filter(|_| line.caller.is_some()) {
                        add(complaint, message);
                    }
                }
            },
        }
    }

    fn open(&mut self, caller: &mut Caller, kind: Kind, line: &ConsoleLine<'_>) {
        let previous = caller.previous.take().filter(|_| kind == Kind::Warning && line.caller.is_some());
        let header = caller.header.take().unwrap_or_else(|| previous.into_iter().collect());
        caller.report = None;
        if self.complaints.len() >= MOST && !line.text.starts_with("Kernel panic") {
            return;
        }
        // WARN() with a message prints it before the line that names the place.
        let own = |text: &&String| kind == Kind::Warning && !text.contains(CUT_HERE) && !text.trim().is_empty();
        let mut title = normalise(line.text);
        if let Some(text) = header.iter().find(own) {
            title = format!("{title}: {}", normalise(text));
        }
        let mut complaint = Complaint {
            kind,
            title,
            frame: None,
            trace: Vec::new(),
            case: self.case.clone(),
            moment: ComplaintTime::Unknown,
            suppressed: None,
            lines: Vec::new(),
            starts: vec![start(line)],
        };
        header.iter().map(String::as_str).chain([line.text]).for_each(|line| add(&mut complaint, line));
        self.complaints.push(complaint);
        let index = self.complaints.len() - 1;
        let wrapped = wrapper(kind, line.text).into_iter().collect();
        caller.report = Some(Report { index, kind, traced: false, tracing: false, ended: false, wrapped });
    }
}

impl Report {
    /// Whether a title is part of this report and does not start another complaint.
    fn goes_on_with(&self, kind: Kind, message: &str) -> bool {
        // The OOM killer prints a dump first, and then which process it killed. sysfs complains about a name, then kobject.
        if self.kind == kind && matches!(kind, Kind::OutOfMemory | Kind::DuplicateName) {
            return true;
        }
        // arm64 prints the registers of a stack that overflowed, and panics.
        if self.kind == Kind::StackOverflow && !self.traced && message.starts_with("Kernel panic - ") {
            return true;
        }
        let wraps = matches!(
            self.kind,
            Kind::ListCorruption
                | Kind::Refcount
                | Kind::FileRef
                | Kind::Vfs
                | Kind::DebugObjects
                | Kind::Fortify
                | Kind::Usercopy
                | Kind::Cfi
                | Kind::SlabCorruption
                | Kind::NullDereference
                | Kind::PageFault
                | Kind::StackOverflow
                | Kind::Bug
        );
        !self.traced && wraps && wrapper(kind, message).is_some_and(|wrapper| !self.wrapped.contains(&wrapper))
    }

    fn read(&mut self, message: &str, lines: usize) {
        // On arm64 no line ends the trace.
        let over = self.tracing && !is_trace_line(message);
        self.tracing = is_open_trace_head(message) || self.tracing && !over;
        self.traced |= over || message.trim() == "</TASK>";
        self.ended |= message.starts_with("---[ end ") || is_ruler(message) && lines > 3 && is_framed(self.kind);
        self.traced |= self.ended;
    }
}

fn wrapper(kind: Kind, message: &str) -> Option<Wrapper> {
    // A report of lockdep within that of a BUG is one of its own.
    if kind == Kind::Warning {
        Some(Wrapper::Warning)
    } else if message.starts_with("kernel BUG at ") {
        Some(Wrapper::Bug)
    } else if ["Oops: ", "Internal error: "].iter().any(|start| message.starts_with(start)) || message.contains(" [#") {
        Some(Wrapper::Trap)
    } else {
        None
    }
}

/// Reports that begin and end with a line of equals signs.
fn is_framed(kind: Kind) -> bool {
    matches!(kind, Kind::Kasan | Kind::Kfence | Kind::Kcsan | Kind::Kmsan)
}

/// The line of equals signs around reports of sanitizers and lockdep.
fn is_ruler(message: &str) -> bool {
    message.len() >= 20 && message.bytes().all(|byte| byte == b'=')
}

/// Lines that die() prints after the end of its report.
fn belongs_after_the_end(message: &str) -> bool {
    message.starts_with("RIP: ") || message.starts_with("note: ") || is_noise(message)
}

fn start(line: &ConsoleLine<'_>) -> Start {
    Start { us: line.us, line: line.text.chars().take(WIDEST).collect() }
}

fn add(complaint: &mut Complaint, line: &str) {
    let late = match complaint.lines.len() {
        LONGEST => is_trace_head(line) && !complaint.lines.iter().any(|line| is_trace_head(line)),
        len => len > LONGEST && len < LONGEST + LATE_TRACE,
    };
    if complaint.lines.len() < LONGEST || late {
        complaint.lines.push(line.chars().take(WIDEST).collect());
    }
}

/// Sets what depends on the whole report.
fn finish(mut complaint: Complaint) -> Complaint {
    Place { frame: complaint.frame, trace: complaint.trace } = place(complaint.kind, &complaint.lines);
    // With KASAN, a null pointer dereference is reported as an access to an address without shadow memory.
    if complaint.lines.iter().any(|line| line.starts_with("KASAN: null-ptr-deref in range")) {
        complaint.kind = Kind::NullDereference;
    }
    complaint
}

#[cfg(test)]
mod tests;
