//! Options of `doctor`.

use clap::Args;

#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Test KVM again instead of showing the remembered result
    #[arg(long)]
    pub probe: bool,
}
