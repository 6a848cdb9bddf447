//! The shape of the ioctl: numbers, flags, arguments and errors.

pub mod bad_argument;
pub mod close_on_exec;
pub mod compat;
pub mod compat_compared;
pub mod derive_and_close;
pub mod file_limit;
pub mod flags;
pub mod flags_in_full_table;
pub mod foreign_memory;
pub mod full_table;
pub mod layout;
pub mod neighbours;
pub mod never_installed;
pub mod other_files;
pub mod raw_bytes;
pub mod request_variants;
pub mod request_variants_alias;
pub mod result;
pub mod reused_structure;
pub mod status_flags;
pub mod status_flags_export;
