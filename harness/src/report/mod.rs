//! Renderings of a [`crate::run_report::RunReport`], and of a [`crate::matrix::Matrix`] of them.

pub mod github;
pub mod html;
pub mod junit;
pub mod ktap;
pub mod markdown;
pub mod matrix;
pub mod style;
pub mod terminal;
