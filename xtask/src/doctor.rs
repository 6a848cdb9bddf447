//! `cargo xtask doctor`: the whole picture of this machine.

use harness::doctor::Doctor;
use harness::error::Result;
use harness::exit_code::ExitCode;

use crate::pipeline::Pipeline;

/// Prints what is there and what is missing.
///
/// # Errors
/// When the cache cannot be opened.
pub fn run() -> Result<ExitCode> {
    let doctor = Doctor::examine(&Pipeline::open(true)?.store);
    print!("{doctor}");
    Ok(doctor.exit_code())
}
