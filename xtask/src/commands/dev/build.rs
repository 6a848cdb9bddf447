//! `cargo xtask build`: the kernel image and nothing else.

use harness::error::Result;
use harness::exit_code::ExitCode;

use crate::flags::BuildArgs;
use crate::run::pipeline::Pipeline;

/// Builds, and prints where the image is.
///
/// # Errors
/// Whatever stands between a source and an image.
pub fn run(args: &BuildArgs, quiet: bool) -> Result<ExitCode> {
    let pipeline = Pipeline::open(quiet)?;
    let made = pipeline.kernel(&args.kernel)?;
    println!("{}", made.image.vmlinux.display());
    Ok(ExitCode::AsExpected)
}
