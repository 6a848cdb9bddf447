//! How far a task is, in words: the same in a bar and in a line of a log. And how a bar fits into a terminal.

use std::fmt::Write;
use std::time::Duration;

use indicatif::{ProgressState, ProgressStyle};

/// What a task counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Things.
    Count,
    /// Bytes.
    Bytes,
}

/// A bar shows no rate before this.
const SETTLED: Duration = Duration::from_secs(1);

/// How far a task is.
#[derive(Clone, Copy, Debug)]
pub struct Standing {
    /// So much is done.
    pub at: u64,
    /// Of so much, if that is known.
    pub total: Option<u64>,
    /// So much in a second.
    pub rate: f64,
    /// What is left will take so long.
    pub left: Option<Duration>,
}

impl Standing {
    /// By the time it took so far.
    pub fn by_average(at: u64, total: Option<u64>, elapsed: Duration) -> Self {
        let rate = at as f64 / elapsed.as_secs_f64().max(0.001);
        let rest = total.map(|total| total.saturating_sub(at)).filter(|rest| at > 0 && *rest > 0);
        Standing { at, total, rate, left: rest.map(|rest| Duration::from_secs_f64(rest as f64 / rate)) }
    }

    /// In numbers, with rate and estimate as far as there is anything to make them of.
    pub fn numbers(&self, unit: Unit) -> String {
        let mut text = match (unit, self.total) {
            (Unit::Count, None) if self.at == 0 => return String::new(),
            (Unit::Count, None) => self.at.to_string(),
            (Unit::Count, Some(total)) => format!("{} of {total}", self.at),
            (Unit::Bytes, None) => bytes(self.at),
            (Unit::Bytes, Some(total)) => {
                let (size, name) = scale(total);
                format!("{:.1} of {:.1} {name}", self.at as f64 / size, total as f64 / size)
            }
        };
        if self.at > 0 && self.rate > 0.0 {
            let _ = write!(text, ", {}", rate(unit, self.rate));
        }
        if let Some(left) = self.left.filter(|_| self.at > 0) {
            let _ = write!(text, ", {} left", super::duration(left));
        }
        text
    }
}

/// What takes longer than a second is read better by its time than by a fraction.
fn rate(unit: Unit, rate: f64) -> String {
    match unit {
        Unit::Bytes => format!("{}/s", bytes(rate as u64)),
        Unit::Count if rate >= 9.95 => format!("{rate:.0}/s"),
        Unit::Count if rate >= 1.0 => format!("{rate:.1}/s"),
        Unit::Count => format!("{} each", super::duration(Duration::from_secs_f64((1.0 / rate).min(1e6)))),
    }
}

/// Powers of ten, as disks are sold.
fn scale(count: u64) -> (f64, &'static str) {
    match count {
        0..1_000_000 => (1e3, "kB"),
        1_000_000..1_000_000_000 => (1e6, "MB"),
        _ => (1e9, "GB"),
    }
}

fn bytes(count: u64) -> String {
    let (size, name) = scale(count);
    format!("{:.1} {name}", count as f64 / size)
}

/// A bar for a terminal of so many columns. What the task is called and is at comes last, in what room there is, so that no
/// line is ever longer than the terminal is wide.
pub fn style(unit: Unit, total: bool, colour: bool, columns: usize) -> ProgressStyle {
    let bar = |width: usize| if colour { format!("{{bar:{width}.cyan/blue}}") } else { format!("{{bar:{width}}}") };
    let template = match (total, columns) {
        (true, 100..) => format!("{} {{numbers}}  {{wide_msg}}", bar(28)),
        (true, 66..) => format!("{} {{numbers}}  {{wide_msg}}", bar(10)),
        (true, _) => "{percent:>3}% {wide_msg}".to_string(),
        (false, 56..) => "{spinner} {numbers}{elapsed}  {wide_msg}".to_string(),
        (false, _) => "{spinner} {wide_msg}".to_string(),
    };
    let numbers = move |state: &ProgressState, out: &mut dyn Write| {
        let total = state.len().filter(|_| total);
        // Of the first moments a rate says nothing.
        let settled = state.elapsed() >= SETTLED;
        let left = total.filter(|total| settled && *total > state.pos()).map(|_| state.eta());
        let rate = if settled { state.per_sec() } else { 0.0 };
        let text = Standing { at: state.pos(), total, rate, left }.numbers(unit);
        let comma = if total.is_none() && !text.is_empty() { ", " } else { "" };
        let _ = write!(out, "{text}{comma}");
    };
    let style = ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar());
    style.with_key("numbers", numbers).progress_chars("=> ")
}
