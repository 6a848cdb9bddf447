//! Names of buffers, and what procfs and debugfs show of a buffer.

pub mod bufinfo_fences;
pub mod failed_name;
pub mod name_arguments;
pub mod name_memory;
pub mod name_races;
pub mod name_while_used;
pub mod o_path;
