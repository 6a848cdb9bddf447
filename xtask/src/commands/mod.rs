//! One file or folder for each command. Shared parts are in [`crate::run`].

pub mod bisect;
pub mod clean;
pub mod dev;
pub mod doctor;
pub mod explain;
pub mod inspect;
pub mod list;
pub mod matrix;
pub mod report;
pub mod repro;
pub mod shell;
pub mod test;
