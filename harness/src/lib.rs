//! From a kernel source to a judged run. Each folder is a stage, and imports only from the stages above it in this list:
//!
//! ```text
//! host     this machine: processes, the cache, progress, tools
//! source   KernelSpec -> SourceTree
//! patch    SourceTree + Series -> PatchedTree
//! kbuild   PatchedTree -> KernelImage
//! guest    KernelImage + plan -> Recording, one for each guest
//! judge    Recording -> Transcript + Complaints -> CaseVerdict, one for each planned case
//! session  a plan run to its end, in as many guests as it takes: GuestRun, JudgedRun
//! findings CaseVerdicts -> Findings, one for each defect
//! report   RunReport, Matrix, packs, and the formats that people and programs read
//! ```
//!
//! Everything in [`judge`], [`findings`] and [`report`] is pure: no process, no clock, no sleep. A run can be judged again from its
//! directory. [`host::process`] is the only module that starts programs, [`host::store`] the only one that decides where
//! things are kept. This crate knows QEMU and kernel builds; what is true about dma-bufs is in the `cases` crate.

pub mod error;
pub mod exit_code;
pub mod kernel_range;

pub mod host;

pub mod source;

pub mod patch;

pub mod kbuild;

pub mod guest;

pub mod judge;

pub mod session;

pub mod findings;

pub mod report;

#[cfg(test)]
#[path = "../tests/common/fake_qemu.rs"]
mod fake_qemu;
