//! Where a guest hangs: looked at from outside over QMP, and asked through the console.

pub mod processors;
pub mod qmp;
pub mod stack;
pub mod symbols;
pub mod sysrq;
