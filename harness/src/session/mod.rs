//! A plan, run to its end in as many guests as it takes, and judged.

pub mod accel;
pub mod fail_fast;
pub mod guests;
pub mod rounds;
pub mod shell;
