//! From a kernel source to a judged run.
//!
//! The pipeline, as types that only the stage before can make:
//!
//! ```text
//! KernelSpec -> SourceTree -> PatchedTree -> KernelImage --+
//!   spec          source        patch          kbuild      |
//!                                                          +-> BootPlan -> Recording
//! GuestBinary + plan -------------------> Initramfs -------+   boot_plan    guest
//!
//! Recording -> Transcript + Complaints -> CaseVerdict, one per planned case -> RunReport -> ExitCode
//!               transcript  complaint       verdict                            run_report   exit_code
//! ```
//!
//! Everything after [`recording`] is pure: no process, no clock, no sleep. A run can be judged again from its directory.
//! [`process`] is the only module that starts programs, [`store`] the only one that decides where things are kept.
//! This crate knows QEMU and kernel builds; what is true about dma-bufs is in the `cases` crate.

pub mod error;
pub mod exit_code;

pub mod doctor;
pub mod git;
pub mod machine;
pub mod process;
pub mod progress;
pub mod setup;
pub mod store;

pub mod kbuild;
pub mod kconfig;
pub mod kernel_range;
pub mod kselftest;
pub mod patch;
pub mod repository;
pub mod series;
pub mod source;
pub mod spec;
pub mod uapi_header;
pub mod workshop;

pub mod accel;
pub mod boot_plan;
pub mod debugger;
pub mod guest;
pub mod guests;
pub mod initramfs;
pub mod lines;
pub mod processors;
pub mod qmp;
pub mod recording;
pub mod session;
pub mod shell;
pub mod stack;
pub mod symbols;
pub mod sysrq;
pub mod watch;

pub mod complaint;
pub mod expectation;
pub mod matrix;
pub mod pack;
pub mod provenance;
pub mod report;
pub mod rounds;
pub mod run_report;
pub mod task_dump;
pub mod transcript;
pub mod verdict;

pub mod coverage;
pub mod mutant;

#[cfg(test)]
#[path = "../tests/common/fake_qemu.rs"]
mod fake_qemu;
#[cfg(test)]
mod schema;
