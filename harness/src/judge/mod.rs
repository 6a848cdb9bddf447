//! Turns recordings of guests into verdicts. Pure: starts no process, reads no clock, and reads only snapshots and recordings.

pub mod complaint;
pub mod complaint_time;
pub mod context;
pub mod expectation;
pub mod foundations;
pub mod guest_run;
pub mod judged_run;
pub mod repeated;
pub mod task_dump;
pub mod transcript;
pub mod verdict;
