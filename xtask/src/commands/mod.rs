//! One file or folder for each command. Shared parts are in [`crate::run`].

pub mod bisect;
pub mod clean;
pub mod complaints;
pub mod dev;
pub mod doctor;
pub mod explain;
pub mod importers;
pub mod list;
pub mod matrix;
pub mod report;
pub mod repro;
pub mod series;
pub mod shell;
pub mod test;
