//! From what guests said to verdicts. Pure: no process, no clock; it reads snapshots and recordings and nothing else.

pub mod complaint;
pub mod context;
pub mod expectation;
pub mod guest_run;
pub mod judged;
pub mod moment;
pub mod task_dump;
pub mod transcript;
pub mod verdict;
