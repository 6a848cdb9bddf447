//! Makes wrong kernels (mutants) to test the suite, judges runs on them, and measures coverage.
//!
//! Mutants come from a hand-written [`catalogue`] and from [`generate`], which changes the lines that a series adds. [`change`]
//! reduces a mutant to pieces that can be compiled beside the original, and [`schemata`] combines the pieces of all mutants in
//! one file. [`harness::kbuild::image`] builds the kernel, `cargo xtask dev mutants` runs it.
//! [`history`] has bugs that really were in the kernel, put back. [`correct`] has patches that are built and run in the same way,
//! but are correct: no case may fail on them.

pub mod c_file;
pub mod c_tokens;
pub mod case_order;
pub mod catalogue;
pub mod change;
pub mod combination;
pub mod compiler;
pub mod correct;
pub mod coverage;
pub mod equivalent;
pub mod generate;
pub mod history;
pub mod in_diff;
pub mod naming;
pub mod object_code;
pub mod observed;
pub mod operators;
pub mod outcome;
pub mod schemata;
