//! Renderings of a [`crate::report::run_report::RunReport`], and of a [`crate::report::matrix::Matrix`] of them.

pub mod github;
pub mod html;
pub mod junit;
pub mod ktap;
pub mod markdown;
pub mod matrix;
pub mod terminal;
