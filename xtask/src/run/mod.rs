//! What the commands share: building the kernel, running the cases, keeping the run.

pub mod case_times;
pub mod debug;
pub mod guest_std;
pub mod job;
pub mod last_result;
pub mod matrix_cells;
pub mod pipeline;
pub mod plan;
pub mod rounds;
pub mod run_directory;
pub mod run_files;
pub mod saved_runs;
pub mod watcher;
