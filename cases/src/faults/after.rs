//! The case that runs after each fault case: a few basic checks, on a guest that must be fully working.

use std::fs;
use std::os::fd::AsFd;

use nix::libc;

use crate::steps::{CaseResult, OrBroken, Steps};
use crate::uapi::memory::{self, PAGE};
use crate::variant::CaseParams;

pub(super) fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let buffer = s.export(on.exporter, 2)?;
    let second = s.dup("duplicate", &buffer.primary)?;
    let mapping = memory::map(second.as_fd(), buffer.len(), libc::PROT_READ, libc::MAP_SHARED, 0).or_broken("mmap")?;
    s.check("the buffer can be read", mapping.read(0) == mapping.read(0), "its contents change without a write");
    let tables = ["/proc/self/mounts", "/sys/kernel/debug/dma_buf/bufinfo"].map(|path| fs::read(path).is_ok());
    s.equal("/proc and debugfs can be read", tables, [true, true]);
    let scratch = "/tmp/scratch";
    let written = fs::write(scratch, vec![1; 64 * PAGE]).and_then(|()| fs::remove_file(scratch));
    s.check("/tmp has free space", written.is_ok(), format_args!("{written:?}"));
    s.close(second);
    Ok(())
}
