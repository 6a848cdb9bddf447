//! ENUM-1: what the kernel says about all buffers.

pub mod attached_devices;
pub mod busy_buffer;
pub mod iterator;
pub mod many_buffers;
