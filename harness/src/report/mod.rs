//! Reports about a run or a matrix of runs, for people and for programs.

pub mod bisect;
pub mod doctor;
pub mod matrix;
pub mod pack;
pub mod provenance;
pub mod render;
pub mod run_report;

#[cfg(test)]
pub(crate) mod schema;
