//! Commands for people who work on the suite itself.

pub mod bench;
pub mod build;
pub mod ci;
pub mod counted;
pub mod coverage;
pub mod kselftest;
pub mod lint_workflows;
pub mod manual;
pub mod mutants;
pub mod probe_kvm;
pub mod selftest;
