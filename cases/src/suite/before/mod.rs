//! The kernel without the patch.

pub mod absent;
