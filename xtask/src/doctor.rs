//! `cargo xtask doctor`: the whole picture of this machine.

use harness::doctor::Doctor;
use harness::error::Result;
use harness::exit_code::ExitCode;

use crate::flags::DoctorArgs;
use crate::pipeline::Pipeline;

/// Prints what is there and what is missing.
///
/// # Errors
/// When the cache cannot be opened, or KVM not be tried.
pub fn run(args: &DoctorArgs) -> Result<ExitCode> {
    let pipeline = Pipeline::open(true)?;
    let doctor = Doctor::examine(&pipeline.store, pipeline.kvm(args.probe)?);
    print!("{doctor}");
    Ok(doctor.exit_code())
}
