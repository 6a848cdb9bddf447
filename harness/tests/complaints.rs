//! Consoles of real kernels, one for each kind of complaint, and the complaints that the scanner finds.
//!
//! `consoles/<kernel>-<kind>.log` are verbatim, without the boot messages. Each ends with two lines that a program wrote: the
//! mark of another case, and text that looks like a complaint.

#[path = "common/changed.rs"]
mod changed;

use std::fmt::Write;
use std::path::{Path, PathBuf};

use harness::judge::complaint::{Complaint, scan};

#[test]
fn consoles_of_real_kernels() {
    for path in consoles() {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let complaints = scan(&std::fs::read(&path).unwrap());
        insta::with_settings!({ snapshot_path => "consoles", prepend_module_to_snapshot => false, omit_expression => true }, {
            insta::assert_snapshot!(name, complaints.iter().map(summary).collect::<String>());
        });
    }
}

#[test]
fn changed_consoles_are_read_without_a_panic() {
    let logs: Vec<Vec<u8>> = consoles().iter().map(|path| std::fs::read(path).unwrap()).collect();
    let mut random = changed::Random(1);
    for (index, log) in logs.iter().enumerate().cycle().take(500) {
        let input = random.changed(&log[..log.len().min(16 << 10)], &logs[(index * 7 + 3) % logs.len()]);
        for complaint in scan(&input) {
            assert!(!complaint.lines.is_empty() && !complaint.title.contains('\n'), "{complaint:?}");
        }
    }
}

/// Without caller ids the lines of several reports are mixed, but no report is lost.
#[test]
fn consoles_without_callers_show_as_many_complaints() {
    let caller = regex::Regex::new(r"(?m)^(<\d+>\[ *\d+\.\d+\])\[ *[CT]\d+\]").unwrap();
    for path in consoles() {
        let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
        let plain = caller.replace_all(&text, "$1");
        assert!(scan(plain.as_bytes()).len() >= scan(text.as_bytes()).len(), "{}", path.display());
    }
}

/// In a truncated console, the scanner does not find more complaints than in the whole.
#[test]
fn a_console_may_end_anywhere() {
    for path in consoles() {
        let whole = std::fs::read(&path).unwrap();
        let count = scan(&whole).len();
        let step = (whole.len() / 60).max(1);
        for len in (0..whole.len()).step_by(step) {
            let found = scan(&whole[..len]);
            assert!(found.len() <= count, "{} cut after {len} bytes: {found:#?}", path.display());
        }
    }
}

fn consoles() -> Vec<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/consoles");
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let mut logs: Vec<PathBuf> = entries.filter(|path| path.extension().is_some_and(|kind| kind == "log")).collect();
    logs.sort();
    assert!(!logs.is_empty());
    logs
}

fn summary(complaint: &Complaint) -> String {
    let mut text = format!("{}: {}\n", complaint.kind.name(), complaint.title);
    let case = complaint.case.as_ref().map_or("no case", |case| case.0.as_str());
    let _ = writeln!(text, "  in {case}, function {}", complaint.frame.as_deref().unwrap_or("unknown"));
    let _ = writeln!(text, "  trace {}", complaint.trace.iter().take(6).cloned().collect::<Vec<_>>().join(" < "));
    let (first, last) = (complaint.lines.first(), complaint.lines.last());
    let _ = writeln!(text, "  {} lines", complaint.lines.len());
    for (label, line) in [("from", first), ("to", last)] {
        let _ = writeln!(text, "  {label} {}", line.map(|line| line.trim()).unwrap_or_default());
    }
    text
}
