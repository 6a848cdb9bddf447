//! The text of a progress bar or progress line, and the layout of a bar.

use std::fmt::Write;
use std::time::Duration;

use indicatif::{ProgressState, ProgressStyle};

/// What a task counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Items.
    Count,
    /// Bytes.
    Bytes,
}

/// A bar shows no rate before this time.
const SETTLED: Duration = Duration::from_secs(1);

/// The progress of a task.
#[derive(Clone, Copy, Debug)]
pub struct TaskProgress {
    /// Done so far.
    pub at: u64,
    /// The total, if it is known.
    pub total: Option<u64>,
    /// Per second.
    pub rate: f64,
    /// Estimated remaining time.
    pub left: Option<Duration>,
}

impl TaskProgress {
    /// With rate and estimate from the average so far.
    pub fn by_average(at: u64, total: Option<u64>, elapsed: Duration) -> Self {
        let rate = at as f64 / elapsed.as_secs_f64().max(0.001);
        let rest = total.map(|total| total.saturating_sub(at)).filter(|rest| at > 0 && *rest > 0);
        TaskProgress { at, total, rate, left: rest.map(|rest| Duration::from_secs_f64(rest as f64 / rate)) }
    }

    /// Numbers, with rate and estimate if they are known.
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

/// Items that take longer than a second each are shown as time per item.
fn rate(unit: Unit, rate: f64) -> String {
    match unit {
        Unit::Bytes => format!("{}/s", bytes(rate as u64)),
        Unit::Count if rate >= 9.95 => format!("{rate:.0}/s"),
        Unit::Count if rate >= 1.0 => format!("{rate:.1}/s"),
        Unit::Count => format!("{} each", super::duration(Duration::from_secs_f64((1.0 / rate).min(1e6)))),
    }
}

/// Decimal units, as for disk sizes.
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

/// A bar for a terminal with this many columns. The label and message come last and are truncated, so that no line is wider
/// than the terminal.
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
        // A rate of the first moments is meaningless.
        let settled = state.elapsed() >= SETTLED;
        let left = total.filter(|total| settled && *total > state.pos()).map(|_| state.eta());
        let rate = if settled { state.per_sec() } else { 0.0 };
        let text = TaskProgress { at: state.pos(), total, rate, left }.numbers(unit);
        let comma = if total.is_none() && !text.is_empty() { ", " } else { "" };
        let _ = write!(out, "{text}{comma}");
    };
    let style = ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar());
    style.with_key("numbers", numbers).progress_chars("=> ")
}
