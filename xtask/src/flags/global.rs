//! Options that every command has.

use std::path::PathBuf;

use clap::{Args, ColorChoice};
use harness::host::progress::bytes;

use super::{at_least_one, heading};
use crate::run::run_directory::Keep;

#[derive(Clone, Debug, Args)]
#[command(next_help_heading = heading::GLOBAL)]
pub struct Global {
    /// Print results and warnings, no progress
    #[arg(long, short, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Print each command that is run, its directory and how long it took
    #[arg(long, short, global = true)]
    pub verbose: bool,
    /// When to colour; `auto` looks at the terminal, NO_COLOR, CLICOLOR and CLICOLOR_FORCE
    #[arg(long, global = true, value_enum, value_name = "WHEN", default_value_t = ColorChoice::Auto, hide_possible_values = true)]
    pub color: ColorChoice,
    /// Directory for sources, objects and kernels [default: below XDG_CACHE_HOME or ~/.cache]
    #[arg(long, global = true, value_name = "DIR", hide_short_help = true)]
    pub cache: Option<PathBuf>,
    /// Always keep the newest N runs
    #[arg(long, global = true, value_name = "N", value_parser = at_least_one, default_value_t = Keep::default().runs)]
    pub keep_runs: usize,
    /// Remove older runs
    #[arg(long, global = true, value_name = "DAYS", default_value_t = Keep::default().days)]
    pub keep_days: u32,
    /// Remove the oldest runs beyond this total size
    #[arg(long, global = true, value_name = "SIZE", default_value_t = Size(Keep::default().bytes))]
    pub keep_size: Size,
}

impl Global {
    /// Which runs are kept when another one begins.
    pub fn keep(&self) -> Keep {
        Keep { runs: self.keep_runs, days: self.keep_days, bytes: self.keep_size.0 }
    }
}

/// A number of bytes in decimal units, such as 2GB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size(pub u64);

impl std::fmt::Display for Size {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&bytes(self.0).replace(".00 ", "").replace(' ', ""))
    }
}

impl std::str::FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic() || c == ' ');
        let factor = match text[digits.len()..].trim().to_ascii_lowercase().as_str() {
            "" | "b" => 1e0,
            "k" | "kb" => 1e3,
            "m" | "mb" => 1e6,
            "g" | "gb" => 1e9,
            _ => return Err("a size such as 500MB or 2GB".into()),
        };
        let number: Option<f64> = digits.parse().ok().filter(|number: &f64| number.is_finite() && *number >= 0.0);
        number.map(|number| Size((number * factor) as u64)).ok_or_else(|| "a size such as 500MB or 2GB".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_parsed_and_formatted() {
        for (text, bytes) in [("2GB", 2_000_000_000), ("1.5 gb", 1_500_000_000), ("500M", 500_000_000), ("12", 12)] {
            assert_eq!(text.parse(), Ok(Size(bytes)), "{text}");
        }
        for text in ["", "GB", "2 apples", "-1GB", "2GiB", "inf", "1e999"] {
            assert!(text.parse::<Size>().is_err(), "{text}");
        }
        for bytes in [2_000_000_000, 500_000_000, 1_500_000_000] {
            assert_eq!(Size(bytes).to_string().parse(), Ok(Size(bytes)));
        }
    }
}
