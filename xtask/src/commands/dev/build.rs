//! `cargo xtask dev build`: builds the kernel image and nothing else.

use harness::error::Result;
use harness::exit_code::ExitCode;

use crate::flags::BuildArgs;
use crate::run::pipeline::Pipeline;

/// Builds the image and prints its path.
///
/// # Errors
/// When the kernel cannot be fetched, patched or built.
pub fn run(args: &BuildArgs, quiet: bool) -> Result<ExitCode> {
    let pipeline = Pipeline::open(quiet)?;
    let made = pipeline.kernel(&args.kernel)?;
    println!("{}", made.image.vmlinux.display());
    Ok(ExitCode::AsExpected)
}
