//! IMP-*: what DRM drivers and V4L2 queues do with the buffers of others.

pub mod failed_own;
pub mod failed_prime;
pub mod failed_queue;
pub mod failed_start;
pub mod failed_steps;
pub mod import_mapping;
pub mod own_slots;
pub mod prime_arguments;
pub mod prime_handles;
pub mod prime_mappings;
pub mod prime_parts;
pub mod queue_memory;
pub mod queue_refusals;
pub mod queue_slots;
pub mod refused_mappings;
