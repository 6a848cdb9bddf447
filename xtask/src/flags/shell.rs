//! Options of `cargo xtask shell`.

use clap::Args;

use super::{AccelChoice, KernelArgs, heading};

#[derive(Debug, Args)]
pub struct ShellArgs {
    /// Run these commands instead of opening a prompt
    #[arg(long, value_name = "COMMANDS")]
    pub command: Option<String>,
    /// Boot under virtme-ng on this machine's files; what it writes is discarded
    #[arg(long)]
    pub vng: bool,
    #[command(flatten)]
    pub kernel: KernelArgs,
    /// Run with kvm, tcg (emulation) or auto (KVM if it works)
    #[arg(long, value_enum, default_value_t = AccelChoice::Auto, hide_possible_values = true, help_heading = heading::GUEST)]
    pub accel: AccelChoice,
}
