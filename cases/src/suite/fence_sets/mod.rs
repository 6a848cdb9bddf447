//! Which fences a buffer has after imports, and what an export contains.

pub mod arguments;
pub mod compat;
pub mod containers;
pub mod export_contents;
pub mod failed_allocation;
pub mod races;
pub mod same_timeline;
pub mod signalled;
