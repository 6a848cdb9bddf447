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
    Regex::new(r"(?:^ *|\bin |\bat |RIP: [0-9a-f]+:)([A-Za-z_][A-Za-z0-9_.]*)\+0x[0-9a-f]+").expect("a valid pattern")
});
static OFFSET: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\+0x[0-9a-f]+/0x[0-9a-f]+").expect("a valid pattern"));
static ADDRESS: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\b(?:0x)?[0-9a-f]{16}\b").expect("a valid pattern"));

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
                    headline: ADDRESS.replace_all(&OFFSET.replace_all(message, ""), "<address>").trim().to_string(),
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
        complaint.function = culprit(&complaint.lines);
    }
    complaints
}

/// Functions that notice a fault, or that every caller goes through: the one to name is the first that is none of them.
const MESSENGERS: &[&str] = &[
    "__asan",
    "__fput",
    "__kasan",
    "__list_",
    "__lock_acquire",
    "__warn",
    "_raw_",
    "check_",
    "dump_stack",
    "file_ref_",
    "fortify_",
    "kasan_",
    "list_",
    "lock_",
    "lockdep_",
    "mutex_",
    "print_",
    "refcount_",
    "report_",
    "ww_mutex_",
];

/// The function that a report is about.
fn culprit(lines: &[String]) -> Option<String> {
    let named = || lines.iter().filter_map(|line| FUNCTION.captures(line)).map(|found| found[1].to_string());
    let messenger = |name: &String| MESSENGERS.iter().any(|prefix| name.starts_with(prefix));
    named().find(|name| !messenger(name)).or_else(|| named().next())
}

/// Whether a line of a report helps nobody who reads it in a mail: registers, code bytes, guesses of the unwinder.
pub fn is_noise(line: &str) -> bool {
    static NOISE: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"^(Code: |Tainted: |RSP: |R[A-Z0-9]{2}: |[FC]S: |CR2: |DR\d: |PKRU: |ORIG_RAX| *\? |={20}|-{20}|#PF: |PGD )")
            .expect("a valid pattern")
    });
    NOISE.is_match(line)
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
[    2.200000] conformance: begin lifetime/b@udmabuf\n\
[    2.300000] ==================================================================\n\
[    2.300001] BUG: KASAN: slab-use-after-free in dma_buf_poll+0x1b/0x2f0\n\
[    2.300002] Read of size 8 at addr ffff888003b1c400 by task init/64\n\
[    2.300003] Call Trace:\n\
[    2.300004]  <TASK>\n\
[    2.300005]  dma_buf_poll+0x1b/0x2f0\n\
[    2.300006]  </TASK>\n";

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
    fn the_culprit_is_not_the_one_who_noticed() {
        let lines = [
            "RIP: 0010:__list_del_entry_valid_or_report+0x11a/0x210",
            "Call Trace:",
            " <TASK>",
            " ? __might_sleep+0xfc/0x150",
            " dma_buf_file_release+0x94/0x250",
            " __fput+0x199/0x690",
        ];
        assert_eq!(culprit(&lines.map(String::from)).as_deref(), Some("dma_buf_file_release"));
        assert!(is_noise("RAX: 0000000000000011 RBX: ffff888000a7f898 RCX: ffffffff812fbcf5") && !is_noise(lines[4]));
    }

    #[test]
    fn addresses_do_not_make_two_runs_differ() {
        let line = "[    1.0] list_del corruption, ffff888000b83c98->next is LIST_POISON1 (dead000000000100)\n";
        let complaints = scan(line.as_bytes());
        assert_eq!(complaints[0].headline, "list_del corruption, <address>->next is LIST_POISON1 (<address>)");
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
