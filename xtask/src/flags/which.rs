//! Options that select cases.

use clap::Args;

#[derive(Debug, Default, Args)]
pub struct Which {
    /// Clauses or parts of case names (rights) [default: every case]
    #[arg(value_name = "FILTER")]
    pub filters: Vec<String>,
    /// Match full case names only
    #[arg(long)]
    pub exact: bool,
    /// Skip cases whose name contains this; can be repeated
    #[arg(long, value_name = "FILTER")]
    pub skip: Vec<String>,
}
