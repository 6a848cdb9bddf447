//! Rights only ever shrink.

pub mod derive_table;
pub mod mmap_export;
pub mod mmap_table;
pub mod private_contents;
pub mod private_export;
pub mod private_writable;
pub mod side_doors;
pub mod side_doors_export;
pub mod upgrade;
pub mod upgrade_export;
pub mod walk;
pub mod walk_export;
