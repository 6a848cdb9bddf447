//! Fences: one timeline for all descriptors of a buffer.

pub mod by_access_mode;
pub mod error;
pub mod error_dup;
pub mod importer_fence;
pub mod importer_fence_dup;
pub mod pending_poll;
pub mod pending_poll_dup;
pub mod polling;
pub mod polling_dup;
pub mod same_fence;
pub mod same_fence_dup;
pub mod step_by_step;
pub mod step_by_step_dup;
pub mod sync_file_outlives;
pub mod sync_file_outlives_dup;
pub mod write_through_rdonly_export;
pub mod write_through_read_only;
