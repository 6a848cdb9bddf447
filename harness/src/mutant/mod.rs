//! Wrong kernels, to see whether the suite notices: which mutants there are, how many of them go into one kernel, and what
//! a run against one of them says.
//!
//! Everything here is pure. [`crate::kbuild`] builds what [`schemata`] weaves, and `cargo xtask mutants` runs it.

pub mod c_file;
pub mod catalogue;
pub mod change;
pub mod generate;
pub mod masked;
pub mod operators;
pub mod schemata;
