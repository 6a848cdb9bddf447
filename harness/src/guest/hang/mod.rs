//! Examines a guest that hangs: from outside over QMP, and with sysrq on its console.

mod frame_records;
pub mod processors;
pub mod qmp;
pub mod stack;
pub mod symbols;
pub mod sysrq;
