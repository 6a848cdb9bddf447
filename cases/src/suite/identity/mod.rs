//! Identity: one buffer, whatever descriptor shows it.

pub mod address_space;
pub mod enumeration;
pub mod fdinfo;
pub mod memfd;
pub mod memfd_alias;
pub mod name;
pub mod name_by_reader;
pub mod open_files;
pub mod same_memory;
pub mod same_memory_dup;
pub mod seek;
pub mod seek_alias;
