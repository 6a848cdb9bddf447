//! Options of `cargo xtask repro`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{Format, GuestArgs, RepeatArgs, examples, heading};

#[derive(Debug, Subcommand)]
pub enum Repro {
    /// Pack a run into one file, with everything another machine needs to repeat it
    #[command(after_help = examples::REPRO)]
    Pack(PackArgs),
    /// Repeat a packed run without building anything, and compare the verdicts
    #[command(after_help = examples::REPRO)]
    Run(PackRunArgs),
}

#[derive(Debug, Args)]
pub struct PackArgs {
    /// `last`, a run number, or a directory with a report.json
    #[arg(value_name = "RUN", default_value = "last")]
    pub run: String,
    /// File to write [default: named after kernel, series and flavour, in this directory]
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Clause or part of a case name that `repro run` repeats; can be repeated [default: what was unexpected, or
    /// everything]
    #[arg(long = "case", value_name = "CASE")]
    pub cases: Vec<String>,
}

#[derive(Debug, Args)]
pub struct DebugArgs {
    /// Run one case under gdb; it stops at the case's first dma-buf ioctl
    #[arg(long, help_heading = heading::GUEST, conflicts_with_all = ["repeat", "until_fail", "retries", "fail_fast"])]
    pub gdb: bool,
}

#[derive(Debug, Args)]
pub struct PackRunArgs {
    /// A file that `repro pack` wrote
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Clause or part of a case name; can be repeated [default: as packed]
    #[arg(long = "case", value_name = "CASE")]
    pub cases: Vec<String>,
    #[command(flatten)]
    pub repeat: RepeatArgs,
    /// Report as terminal (default), ktap, junit, json, github, markdown or html
    #[arg(long, value_enum, default_value_t = Format::Terminal, hide_possible_values = true, hide_default_value = true)]
    pub format: Format,
    /// Show each case that is not as expected, also if a finding names it
    #[arg(long, help_heading = heading::OUTPUT)]
    pub all: bool,
    /// Do not install QEMU if it is missing; print the command instead
    #[arg(long)]
    pub no_install: bool,
    #[command(flatten)]
    pub guest: GuestArgs,
    #[command(flatten)]
    pub debug: DebugArgs,
}
