//! When a buffer lives and when it is released.

pub mod alias_alone;
pub mod camera;
pub mod closing_dups;
pub mod closing_orders;
pub mod failed_allocation;
pub mod failed_export;
pub mod importer_steps;
pub mod in_flight;
pub mod inodes;
pub mod killed_holders;
pub mod leaves_list_once;
pub mod list_lock;
pub mod many_aliases;
pub mod mapping_outlives;
pub mod memory;
pub mod producer_exits;
pub mod races;
pub mod vgem_import;
pub mod visible_alias;
