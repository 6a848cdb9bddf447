//! Rights only ever shrink.

pub mod derive_orphans;
pub mod derive_table;
pub mod file_writes;
pub mod file_writes_alias;
pub mod flags_meanwhile;
pub mod mmap_by_size;
pub mod mmap_export;
pub mod mmap_table;
pub mod primary_and_consumers;
pub mod primary_keeps;
pub mod private_contents;
pub mod private_export;
pub mod private_writable;
pub mod reopen;
pub mod reopen_alias;
pub mod side_doors;
pub mod side_doors_export;
pub mod unprivileged;
pub mod unprivileged_export;
pub mod upgrade;
pub mod upgrade_export;
pub mod walk;
pub mod walk_export;
pub mod writable_alias;
