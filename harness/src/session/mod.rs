//! Runs a plan to its end, in as many guests as it takes.

pub mod accel;
pub mod fail_fast;
pub mod guest_directories;
pub mod guests;
mod parallel;
pub mod rounds;
pub mod shares;
pub mod shell;
mod started;
