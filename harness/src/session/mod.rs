//! Runs a plan to its end, in as many guests as it takes.

pub mod accel;
pub mod fail_fast;
pub mod guests;
pub mod rounds;
pub mod shell;
