//! The machine that the tool runs on: its processes, tools, cache, terminal.

pub mod disk;
pub mod git;
pub mod machine;
pub mod near;
pub mod process;
pub mod progress;
pub mod setup;
pub mod store;
pub mod style;
