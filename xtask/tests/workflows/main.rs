//! The workflow files: rules that they keep, and every command in them, run on this machine in the order that GitHub would.
//!
//! What needs a kernel is ignored by default. `cargo xtask ci` runs it; by hand:
//! `cargo test -p xtask --test workflows -- --include-ignored --test-threads 1`.

mod actions;
#[path = "../common/mod.rs"]
mod common;
mod expression;
mod github;
mod job;
mod lints;
mod model;
mod played;
mod programs;
mod rules;
mod runs;
