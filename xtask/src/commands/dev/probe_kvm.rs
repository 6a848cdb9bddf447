//! `cargo xtask probe-kvm`, which no person calls: one stage of the question whether KVM works. It may hang, so whoever
//! asks runs it as a child.

use std::path::Path;

use harness::error::Result;
use harness::exit_code::ExitCode;
use harness::host::process::Cmd;
use harness::session::accel::virtual_machine;

/// The command that runs this, but for the device. The program may have been built anew since it was started.
pub fn command() -> Cmd {
    Cmd::new("/proc/self/exe").arg("probe-kvm")
}

/// Runs a few instructions in a virtual machine, and prints each step before it is taken. The last line is what did not
/// work, or did not end.
///
/// # Errors
/// None: what does not work is told by the last line and the exit code.
pub fn run(device: &Path) -> Result<ExitCode> {
    // Where the parent is killed, nobody else ends this process.
    nix::unistd::alarm::set(3);
    match virtual_machine::try_out(device, |step| println!("{step}")) {
        Ok(()) => Ok(ExitCode::AsExpected),
        Err(error) => {
            println!("{}", error.headline);
            Ok(error.exit_code())
        }
    }
}
