//! The conformance cases, the guest program that runs them, and the protocol in which it reports.
//!
//! This crate knows the dma-buf ioctls, but not QEMU; `harness` knows QEMU, but not the dma-buf ioctls. They share
//! [`protocol`] and the list of cases in [`suite`].
//!
//! Where to look: [`clause`] is the contract, [`mod@case`] what a case is, [`variant`] what it runs on, [`suite`] the
//! cases themselves, [`steps`] how they write transcripts, [`fixture`] what they are built from, [`uapi`] the system
//! calls; [`init`] and [`runner`] are the guest; [`session`] is a guest with a shell, and [`cli`] the command for
//! use there.

pub mod case;
pub mod catalogue;
pub mod channel;
pub mod clause;
pub mod cli;
pub mod complaint;
pub mod counts;
pub mod exec_helper;
pub mod exporter;
pub mod faults;
pub mod features;
pub mod filter;
pub mod fixture;
pub mod foundation;
pub mod init;
pub mod kernel_log;
pub mod kmemleak;
pub mod kselftest;
pub mod leftovers;
pub mod lines;
pub mod model;
pub mod need;
pub mod prelude;
pub mod protocol;
pub mod resource_counts;
pub mod runner;
pub mod selinux;
pub mod session;
pub mod settings;
pub mod steps;
pub mod style;
pub mod suite;
pub mod terminal;
pub mod uapi;
pub mod variant;
