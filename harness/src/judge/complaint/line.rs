//! Parses a line of the console: caller, time and text.

use std::sync::LazyLock;

use regex::Regex;

/// `<4>[    2.300001][   T64] text`: `console_msg_format=syslog` adds the priority, CONFIG_PRINTK_CALLER the caller
/// (`info_print_prefix()` of kernel/printk/printk.c).
static PREFIX: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^(?:<(?<priority>\d{1,4})>)?\[ *(?<s>\d+)\.(?<us>\d{1,6})\](?:\[ *(?<caller>[CT]\d+)\])? ?")
        .expect("a valid pattern")
});
/// A whole prefix in the middle of a line: the first message was cut off, for example by a panic.
static INNER: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"<\d{1,4}>\[ *\d+\.\d{6}\](?:\[ *[CT]\d+\])? ").expect("a valid pattern"));

/// A line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConsoleLine<'a> {
    /// Facility and level, where the console shows them.
    pub priority: Option<u32>,
    /// Time stamp in microseconds.
    pub us: Option<u64>,
    /// Task or processor that printed it, where the console shows it.
    pub caller: Option<&'a str>,
    /// The message.
    pub text: &'a str,
}

impl<'a> ConsoleLine<'a> {
    /// Splits the prefix from the text.
    pub fn parse(line: &'a str) -> Self {
        let line = line.trim_end_matches('\r');
        let Some(found) = PREFIX.captures(line) else {
            return ConsoleLine { priority: None, us: None, caller: None, text: line };
        };
        let number = |name: &str| found.name(name).and_then(|text| text.as_str().parse::<u64>().ok());
        ConsoleLine {
            priority: number("priority").map(|priority| priority as u32),
            us: number("s").zip(number("us")).map(|(s, us)| s.saturating_mul(1_000_000).saturating_add(us)),
            caller: found.name("caller").map(|caller| caller.as_str()),
            text: &line[found[0].len()..],
        }
    }

    /// Whether a program wrote it: its facility is not that of the kernel.
    pub fn is_from_a_program(&self) -> bool {
        self.priority.is_some_and(|priority| priority >> 3 != 0)
    }
}

/// The lines of a console.
pub fn lines(console: &str) -> impl Iterator<Item = ConsoleLine<'_>> {
    console.lines().flat_map(|line| {
        let whole = ConsoleLine::parse(line);
        // Text of a program may contain anything, including a prefix.
        let cut = if whole.is_from_a_program() { None } else { INNER.find_at(line, 1.min(line.len())) };
        match cut {
            Some(cut) => {
                [Some(ConsoleLine::parse(&line[..cut.start()])), Some(ConsoleLine::parse(&line[cut.start()..]))]
            }
            None => [Some(whole), None],
        }
        .into_iter()
        .flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_prefix_is_removed() {
        for line in [
            "[    1.500000] x",
            "[    1.5] x",
            "[   11.500000][   T64] x",
            "<4>[    1.500000] x",
            "x",
            "[    1.500000] x\r",
        ] {
            assert_eq!(ConsoleLine::parse(line).text, "x");
        }
        let line = ConsoleLine::parse("<12>[   11.500001][    C1] x");
        assert_eq!((line.us, line.caller, line.priority), (Some(11_500_001), Some("C1"), Some(12)));
        assert!(line.is_from_a_program());
    }

    #[test]
    fn a_line_that_was_cut_off_by_another_becomes_two() {
        let texts: Vec<&str> =
            lines("<4>[    1.500000] half a li<0>[    1.600000][   T1] Kernel panic").map(|line| line.text).collect();
        assert_eq!(texts, ["half a li", "Kernel panic"]);
        assert_eq!(lines("<12>[    1.500000] a <0>[    1.600000] Kernel panic").count(), 1);
    }
}
