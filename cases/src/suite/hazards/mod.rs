//! Hazards: documented limits of the proposal that are expected to be there.

pub mod device_captures;
pub mod device_writes;
pub mod failed_fence;
pub mod first_export_wins;
pub mod forged_lines;
pub mod kernel_mapping;
pub mod many_fences;
pub mod many_watches;
pub mod node_mapping;
pub mod reexport;
pub mod self_import;
pub mod stalled_writer;
pub mod sync_bounces;
pub mod unlisted_buffer;
