//! Options of `cargo xtask matrix` and `cargo xtask report`.

use clap::Args;
use harness::host::arch::Arch;

use super::{CaseFilter, Format, GuestArgs, heading};

#[derive(Debug, Default, Args)]
pub struct MatrixArgs {
    #[command(flatten)]
    pub filter: CaseFilter,
    /// Kernels to run, by their ids in kernels.toml [default: all]
    #[arg(long, value_name = "ID,...", value_delimiter = ',')]
    pub kernels: Vec<String>,
    /// Series to run, as for `test`; each is compared with none
    #[arg(long, value_name = "SERIES,...", value_delimiter = ',', default_values = ["none", "derive"])]
    pub series: Vec<String>,
    /// Kernel configurations to run [default: that of each kernel]
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    pub flavours: Vec<String>,
    /// Architectures to run: x86_64, arm64, arm64-16k, arm64-64k [default: x86_64]
    #[arg(long, value_name = "ARCH,...", value_delimiter = ',', value_parser = super::kernel::arch)]
    pub arch: Vec<&'static Arch>,
    /// Continue after a cell that is not as expected
    #[arg(long)]
    pub keep_going: bool,
    /// Run only this part of the cells, such as 2/4
    #[arg(long, value_name = "I/N")]
    pub shard: Option<Shard>,
    /// Do not install missing tools; print the command instead
    #[arg(long)]
    pub no_install: bool,
    /// Look for newer versions of the Debian source packages
    #[arg(long, help_heading = heading::KERNEL)]
    pub refresh: bool,
    #[command(flatten)]
    pub guest: GuestArgs,
    /// Print the cells as JSON, for the matrix of a CI workflow, and run nothing
    #[arg(long, help_heading = heading::OUTPUT)]
    pub json: bool,
}

/// One of several equal parts, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// Number of the part.
    pub number: usize,
    /// How many parts there are.
    pub of: usize,
}

impl std::str::FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('/').and_then(|(number, of)| Some((number.parse().ok()?, of.parse().ok()?)));
        match parts {
            Some((number, of)) if 1 <= number && number <= of => Ok(Shard { number, of }),
            _ => Err("a part such as 2/4, from 1/4 to 4/4".into()),
        }
    }
}

#[derive(Debug, Args)]
pub struct ReportArgs {
    /// last, a run number, a report.json, or a directory of reports [default: last]
    #[arg(value_name = "RUN")]
    pub runs: Vec<String>,
    /// Report as terminal (default), ktap, junit, json, github, markdown or html
    #[arg(long, value_enum, default_value_t = Format::Terminal, hide_possible_values = true, hide_default_value = true)]
    pub format: Format,
    /// Show each case that is not as expected, also if a finding names it
    #[arg(long, help_heading = heading::OUTPUT)]
    pub all: bool,
}
