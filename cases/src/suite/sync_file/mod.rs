//! sync_files and the timelines of user space's fences.

pub mod bad_pointers;
pub mod deadlines;
pub mod failed_allocation;
pub mod file_info;
pub mod last_reference;
pub mod made_and_closed;
pub mod merge;
pub mod merged_status;
pub mod merged_timestamp;
pub mod timelines;
