//! Options of `cargo xtask shell`.

use clap::Args;

use super::{AccelChoice, KernelArgs};

pub const SHELL_EXAMPLES: &str = "Examples:
  cargo xtask shell                                    the reference series on the default kernel, and a prompt in it
  cargo xtask shell --series none --kernel 6.1         another kernel, without the series
  cargo xtask shell --command 'cases run R-2'          run that and print what it prints; the exit code is its own
  echo uname -r | cargo xtask shell                    without a terminal, commands come from standard input
  cargo xtask shell --vng                              on the files and with the programs of this machine, by virtme-ng

In the shell, `cases run`, `cases list` and `cases explain` are the suite. `exit` ends the guest, and so does Ctrl-A x,
whatever it is doing.

Exit codes: 0 for a shell that was ended; with commands that of the last one (`cases run` has those of `test`), and 10 if it is
0 and the kernel complained; 20 guest lost; the others as for `test`.";

#[derive(Debug, Args)]
pub struct ShellArgs {
    /// Run these commands instead, and print what they print
    #[arg(long, value_name = "COMMANDS")]
    pub command: Option<String>,
    /// Boot it with virtme-ng on this machine's own file system; what the guest writes is gone afterwards
    #[arg(long)]
    pub vng: bool,
    #[command(flatten)]
    pub kernel: KernelArgs,
    /// How the guest's processors are run
    #[arg(long, value_enum, default_value_t = AccelChoice::Auto)]
    pub accel: AccelChoice,
}
