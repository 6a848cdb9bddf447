//! EXP-*: what exporters accept, and what their buffers show.

pub mod beyond_end;
pub mod chunks;
pub mod compat;
pub mod failed_access;
pub mod failed_export;
pub mod failed_memory;
pub mod full_table;
pub mod heap_arguments;
pub mod kernel_mapping;
pub mod killed_allocation;
pub mod mapped_parts;
pub mod memfd_owner;
pub mod memory;
pub mod resident;
pub mod sealed_meanwhile;
pub mod size_limit;
pub mod udmabuf_arguments;
pub mod udmabuf_list;
pub mod zeroed;
