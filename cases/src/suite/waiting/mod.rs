//! poll, epoll and SYNC wait for the right fences, and for no others.

pub mod epoll_modes;
pub mod no_limit;
pub mod poll_table;
pub mod sync_flags;
pub mod sync_interrupted;
pub mod sync_waits;
