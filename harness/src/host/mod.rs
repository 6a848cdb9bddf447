//! The machine that the tool runs on: its processes, tools, cache, terminal.

pub mod arch;
pub mod disk;
pub mod git;
pub mod machine;
pub mod process;
pub mod progress;
pub mod setup;
pub mod similar_names;
pub mod store;
pub mod style;
