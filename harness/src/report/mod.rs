//! What people and programs read about a run, or about a matrix of runs.

pub mod bisect;
pub mod doctor;
pub mod matrix;
pub mod pack;
pub mod provenance;
pub mod render;
pub mod run_report;

#[cfg(test)]
pub(crate) mod schema;
