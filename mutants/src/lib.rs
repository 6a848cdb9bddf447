//! Wrong kernels, to see whether the suite notices: which mutants there are, how many of them go into one kernel, and what
//! a run against one of them says.
//!
//! Mutants come from a [`catalogue`] that people write and from [`generate`], which changes the lines that a series adds.
//! [`change`] reduces a mutant to pieces that can stand beside the original, and [`schemata`] weaves the pieces of all
//! mutants into one file. Everything here is pure: [`harness::kbuild::image`] builds the kernel, `cargo xtask mutants` runs it.
//! The patches of [`correct`] are read, built and run in the same way; nothing is wrong with them.

pub mod c_file;
pub mod catalogue;
pub mod change;
pub mod compiler;
pub mod correct;
pub mod coverage;
pub mod equivalent;
pub mod generate;
pub mod in_diff;
pub mod masked;
pub mod object_code;
pub mod operators;
pub mod order;
pub mod outcome;
pub mod schemata;
