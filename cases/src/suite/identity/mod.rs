//! Identity: one buffer, whatever descriptor shows it.

pub mod address_space;
pub mod attributes;
pub mod enumeration;
pub mod fdinfo;
pub mod huge_pages;
pub mod iterator;
pub mod memfd;
pub mod name;
pub mod name_by_reader;
pub mod name_rules;
pub mod open_files;
pub mod same_memory;
pub mod seals;
pub mod seek;
pub mod statistics;
