//! Renderings of a [`crate::run_report::RunReport`].

pub mod ktap;
pub mod style;
pub mod terminal;
