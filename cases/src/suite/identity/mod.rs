//! Identity: one buffer, whatever descriptor shows it.

pub mod address_space;
pub mod enumeration;
pub mod enumeration_dup;
pub mod fdinfo;
pub mod fdinfo_dup;
pub mod memfd;
pub mod memfd_alias;
pub mod name;
pub mod name_by_reader;
pub mod name_dup;
pub mod name_rules;
pub mod open_files;
pub mod open_files_dup;
pub mod same_memory;
pub mod same_memory_dup;
pub mod seals;
pub mod seek;
pub mod seek_alias;
pub mod statistics;
