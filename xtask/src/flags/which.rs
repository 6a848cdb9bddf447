//! Which cases a command is about.

use clap::Args;

#[derive(Debug, Default, Args)]
pub struct Which {
    /// Parts of case names (rights, closing_orders@udmabuf) or clauses; a case runs if any of them fits
    #[arg(value_name = "FILTER")]
    pub filters: Vec<String>,
    /// Filters are whole case names
    #[arg(long)]
    pub exact: bool,
    /// Leave out cases whose name contains this; may be given again
    #[arg(long, value_name = "FILTER")]
    pub skip: Vec<String>,
}
