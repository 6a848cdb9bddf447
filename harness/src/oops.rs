//! Complaints of the kernel: splats on the console, cut out, named, and tied to the case that was running.

use cases::kernel_log::is_complaint;
use cases::protocol::{CaseKey, KMSG_MARK};
use regex::Regex;
use serde::{Deserialize, Serialize};
use std::sync::LazyLock;

/// One complaint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Complaint {
    /// Its first line, without time stamp and addresses.
    pub headline: String,
    /// The function it names, if it names one.
    pub function: Option<String>,
    /// The case that was running: the one whose begin mark came last before it. Complaints between two cases belong to
    /// the earlier one, which has left the kernel in this state.
    pub case: Option<CaseKey>,
    /// Its lines, as they were on the console, without time stamps.
    pub lines: Vec<String>,
}

impl Complaint {
    /// Whether the kernel did not go on after it.
    pub fn is_fatal(&self) -> bool {
        self.headline.starts_with("Kernel panic")
    }
}

/// A splat is never longer than this; what follows is chatter.
const LONGEST: usize = 120;

static STAMP: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"^(?:<\d+>)?\[ *\d+\.\d+\](?:\[ *[CT]\d+\])? ?").expect("a valid pattern"));
static FUNCTION: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?:\bin |\bat |RIP: [0-9a-f]+:)([A-Za-z_][A-Za-z0-9_.]*)\+0x[0-9a-f]+").expect("a valid pattern")
});
static OFFSETS: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\+0x[0-9a-f]+/0x[0-9a-f]+|\b(?:0x)?[0-9a-f]{16}\b").expect("a valid pattern"));

/// A console line without its time stamp.
pub fn without_stamp(line: &str) -> &str {
    let line = line.trim_end_matches('\r');
    STAMP.find(line).map_or(line, |stamp| &line[stamp.end()..])
}

/// Finds every complaint on a console.
pub fn scan(console: &[u8]) -> Vec<Complaint> {
    let text = String::from_utf8_lossy(console);
    let mut complaints: Vec<Complaint> = Vec::new();
    let mut case: Option<CaseKey> = None;
    let mut open = false;
    for line in text.lines() {
        let message = without_stamp(line);
        if let Some(mark) = message.strip_prefix(KMSG_MARK) {
            if let Some(key) = mark.trim().strip_prefix("begin ") {
                case = Some(CaseKey(key.to_string()));
            }
            open = false;
            continue;
        }
        // A headline inside an open report is a part of it ("Oops:" follows "BUG: unable to handle"), but a new report
        // after the end of a trace is one of its own.
        let starts = is_complaint(message);
        let current = complaints.last_mut().filter(|_| open);
        match current {
            Some(complaint) if !starts || !is_closed(&complaint.lines) => {
                let room = complaint.lines.len() < LONGEST;
                complaint.lines.extend(room.then(|| message.to_string()));
            }
            _ if starts => {
                complaints.push(Complaint {
                    headline: OFFSETS.replace_all(message, "").trim().to_string(),
                    function: None,
                    case: case.clone(),
                    lines: vec![message.to_string()],
                });
                open = true;
            }
            _ => {}
        }
    }
    for complaint in &mut complaints {
        let named = |line: &String| FUNCTION.captures(line).map(|found| found[1].to_string());
        complaint.function = complaint.lines.iter().find_map(named);
    }
    complaints
}

/// Whether the report has come to its natural end: the end of its trace or of its frame.
fn is_closed(lines: &[String]) -> bool {
    lines.iter().any(|line| {
        line.contains("</TASK>")
            || line.starts_with("---[ end trace")
            || line.starts_with("==================================================================") && lines.len() > 4
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONSOLE: &str = "\
[    1.000000] Run /init as init process\n\
[    2.000000] conformance: begin lifetime/a@udmabuf\n\
[    2.100000] conformance: end lifetime/a@udmabuf\n\
[    2.200000] conformance: begin lifetime/b@udmabuf\n\
[    2.300000] ==================================================================\n\
[    2.300001] BUG: KASAN: slab-use-after-free in dma_buf_poll+0x1b/0x2f0\n\
[    2.300002] Read of size 8 at addr ffff888003b1c400 by task init/64\n\
[    2.300003] Call Trace:\n\
[    2.300004]  <TASK>\n\
[    2.300005]  dma_buf_poll+0x1b/0x2f0\n\
[    2.300006]  </TASK>\n\
[    2.400000] conformance: end lifetime/b@udmabuf\n";

    #[test]
    fn a_splat_is_tied_to_its_case_and_function() {
        let complaints = scan(CONSOLE.as_bytes());
        assert_eq!(complaints.len(), 1);
        assert_eq!(complaints[0].case, Some(CaseKey::new("lifetime/b", "udmabuf")));
        assert_eq!(complaints[0].headline, "BUG: KASAN: slab-use-after-free in dma_buf_poll");
        assert_eq!(complaints[0].function.as_deref(), Some("dma_buf_poll"));
        assert_eq!(complaints[0].lines.len(), 6);
    }

    #[test]
    fn a_quiet_console_has_no_complaint() {
        assert_eq!(scan(b"[    0.1] Linux version 7.2.13\n[    1.0] random: crng init done\n"), []);
    }

    #[test]
    fn stamps_of_every_kind_are_cut() {
        for line in ["[    1.5] x", "[   11.500000][   T64] x", "<4>[    1.500000] x", "x", "[    1.5] x\r"] {
            assert_eq!(without_stamp(line), "x");
        }
    }
}
