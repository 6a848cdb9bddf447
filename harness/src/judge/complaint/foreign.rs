//! Logs that other programs wrote: makes their lines look like those of a console.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::{Captures, Regex};

/// What may be before the message in one line. The first alternative that fits is removed, up to the time stamp of the kernel.
static PREFIXES: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    [
        // Quoted in a mail.
        r"^(?:> ?)+",
        // GitHub and other CI systems; the ISO format of syslog; the systemd journal.
        r"^\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)? +(?:\S+ kernel: ?)?",
        r"^[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \S+ kernel: ?",
        r"^\[ *\d+\.\d+\] \S+ kernel: ?",
        // dmesg --decode
        r"^(?:kern|user|daemon) *:[a-z]+ *: ",
        // dmesg --ctime and --reltime
        r"^\[[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4}\] ",
        r"^\[(?:[A-Z][a-z]{2}[ \d]\d \d\d:\d\d|  [+<] *\d+\.\d+>?)\] ",
    ]
    .map(|pattern| Regex::new(pattern).expect("a valid pattern"))
    .into()
});

/// A record of /dev/kmsg: `priority,number,time,flags;message`.
static RECORD: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"^(?<priority>\d{1,4}),\d+,(?<us>\d{1,15}),[^;]*;").expect("a valid pattern"));

/// The same log with the prefixes of a console, or none.
pub fn as_console(log: &str) -> String {
    let mut console = String::with_capacity(log.len());
    for line in log.lines() {
        let mut text = Cow::Borrowed(line);
        for prefix in PREFIXES.iter() {
            if let Some(found) = prefix.find(&text) {
                text = Cow::Owned(text[found.end()..].to_string());
            }
        }
        let record = |found: &Captures<'_>| {
            let us: u64 = found["us"].parse().unwrap_or(0);
            format!("<{}>[{:5}.{:06}] ", &found["priority"], us / 1_000_000, us % 1_000_000)
        };
        console.push_str(&RECORD.replace(&text, record));
        console.push('\n');
    }
    console
}

/// The version of the kernel that wrote a log, as `uname -r` prints it; None if its first lines are missing.
pub fn kernel_version(console: &str) -> Option<&str> {
    let start = console.find("Linux version ")? + "Linux version ".len();
    console[start..].split_whitespace().next()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::complaint::scan;

    #[test]
    fn the_log_of_every_program_is_read() {
        let lines =
            ["BUG: KASAN: slab-use-after-free in f+0x1/0x2", "Call Trace:", " <TASK>", " f+0x1/0x2", " </TASK>"];
        for prefix in [
            "",
            "[   12.345678] ",
            "[   12.345678][   T61] ",
            "<4>[   12.345678] ",
            "[Mon Nov 23 01:02:03 2026] ",
            "[Nov23 01:02] ",
            "[  +0.000012] ",
            "kern  :warn  : [   12.345678] ",
            "Nov 23 01:02:03 a-host kernel: [   12.345678] ",
            "Nov  3 01:02:03 a-host kernel: ",
            "2026-11-23T01:02:03.123456+01:00 a-host kernel: [   12.345678] ",
            "2026-11-23T01:02:03.1234567Z [   12.345678] ",
            "[   12.345678] a-host kernel: ",
            "> > [   12.345678] ",
            "4,678,12345678,-;",
            "4,678,12345678,-,caller=T61;",
        ] {
            let log: String = lines.iter().map(|line| format!("{prefix}{line}\r\n")).collect();
            let found = scan(as_console(&log).as_bytes());
            assert_eq!(found.len(), 1, "{prefix:?}: {found:#?}");
            assert_eq!(found[0].title, "BUG: KASAN: slab-use-after-free in f", "{prefix:?}");
            assert_eq!((found[0].frame.as_deref(), found[0].trace.len()), (Some("f"), 1), "{prefix:?}");
        }
    }

    #[test]
    fn the_version_is_that_of_the_first_line() {
        let log = "[    0.000000] Linux version 7.2.13-1 (someone@example.org) #1\n[    0.1] Linux version x\n";
        assert_eq!(kernel_version(log), Some("7.2.13-1"));
        assert_eq!(kernel_version("[    1.000000] BUG: x\n"), None);
    }
}
