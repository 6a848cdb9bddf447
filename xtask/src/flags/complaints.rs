//! Options of `cargo xtask complaints`.

use std::path::PathBuf;

use clap::Args;

use super::heading;

#[derive(Debug, Args)]
pub struct ComplaintsArgs {
    /// A console, the output of dmesg or journalctl, or any log with kernel messages; - for standard input
    pub file: PathBuf,
    /// Print JSON, as in report.json
    #[arg(long, help_heading = heading::OUTPUT)]
    pub json: bool,
}
