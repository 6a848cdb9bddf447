//! From a patched tree to a kernel image: configuration, build directory, make.

pub mod build_dir;
pub mod image;
pub mod kconfig;
pub mod kselftest;
