//! One guest: from a kernel image and a plan to a [`recording::Recording`].

pub mod boot_plan;
pub mod debugger;
pub mod hang;
pub mod initramfs;
pub mod lines;
pub mod qemu;
pub mod recording;
mod starvation;
pub mod watchdog;
