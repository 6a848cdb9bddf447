//! Rights only ever shrink.

pub mod derive_in_use;
pub mod derive_orphans;
pub mod derive_table;
pub mod file_locks;
pub mod file_writes;
pub mod flags_meanwhile;
pub mod ioctls;
pub mod mmap_by_size;
pub mod mmap_table;
pub mod page_number;
pub mod primary_and_consumers;
pub mod primary_keeps;
pub mod private_contents;
pub mod private_writable;
pub mod remote_writes;
pub mod reopen;
pub mod unprivileged;
pub mod upgrade;
pub mod walk;
pub mod writable_alias;
