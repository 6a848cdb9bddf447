//! Options of `cargo xtask dev github`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::MatrixArgs;

/// What the steps of `.github/workflows/conformance.yml` call.
#[derive(Debug, Subcommand)]
pub enum Github {
    /// Print the cells as outputs of the step, with the options of their container and the week
    Plan(MatrixArgs),
    /// Run a cell, and keep its log, its exit code and its recordings
    Cell(CellArgs),
    /// Print annotations for a cell that was run, add it to the summary of the job, and pack it if it failed
    Report {
        /// Id of the cell
        #[arg(long)]
        id: String,
        /// Directory of the cell
        #[arg(long)]
        dir: PathBuf,
    },
    /// Add one table of all cells to the summary, and end with 0 only if every planned cell is as expected
    Verdict(VerdictArgs),
}

#[derive(Debug, Args)]
pub struct CellArgs {
    #[arg(long)]
    pub kernel: String,
    #[arg(long)]
    pub series: String,
    #[arg(long)]
    pub flavour: String,
    /// Clauses and parts of case names with spaces between them; every case if empty
    #[arg(long, default_value = "")]
    pub filters: String,
    /// Commit of the suite, for the command that repeats the run
    #[arg(long)]
    pub commit: String,
    /// Directory of the cell
    #[arg(long)]
    pub dir: PathBuf,
}

#[derive(Debug, Args)]
pub struct VerdictArgs {
    /// Directory with a directory `cell-ID` for each cell
    #[arg(long)]
    pub dir: PathBuf,
    /// The output `cells` of the plan; empty if the plan failed
    #[arg(long)]
    pub cells: String,
    /// Result of the job that plans
    #[arg(long)]
    pub plan: String,
    /// Result of the jobs that run the cells
    #[arg(long)]
    pub conformance: String,
}
