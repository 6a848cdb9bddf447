//! Fences: one timeline for all descriptors of a buffer.

pub mod by_access_mode;
pub mod error;
pub mod importer_fence;
pub mod importer_waits;
pub mod pending_poll;
pub mod poll_keeps_buffer;
pub mod polling;
pub mod same_fence;
pub mod step_by_step;
pub mod sync_file_outlives;
pub mod write_through_read_only;
