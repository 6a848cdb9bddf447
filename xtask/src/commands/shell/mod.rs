//! `cargo xtask shell`: boots a kernel and opens a prompt, or runs a script, in the guest.

mod virtme_ng;
pub mod virtme_ng_install;

use std::io::{IsTerminal, Read, Write};

use cases::session::Order;
use harness::error::{Context, Error, ErrorKind, Result, io};
use harness::exit_code::ExitCode;
use harness::guest::boot_plan::{BootPlan, devices};
use harness::host::arch::{Arch, X86_64};
use harness::host::machine::Machine;
use harness::host::process::scratch_directory;
use harness::host::setup::Purpose;
use harness::host::setup::need::busybox;
use harness::judge::context::needs_met;
use harness::kbuild::image::policy;
use harness::session::shell::keys::HELP;
use harness::session::shell::unattended::Stream;
use harness::session::shell::{Ended, ShellFiles, attended, terminal, unattended};

use crate::flags::ShellArgs;
use crate::run::pipeline::{BuiltKernel, Pipeline};

/// Runs the guest until it ends, and returns the exit code.
///
/// # Errors
/// When it cannot be started.
pub fn run(args: &ShellArgs, quiet: bool) -> Result<u8> {
    let script = script(args)?;
    if args.vng {
        return virtme_ng::run(args, script.as_deref(), quiet);
    }
    if Arch::of_flavour(&args.kernel.flavour_on("")).0 != &X86_64 {
        return Err(Error::new(
            ErrorKind::Usage,
            "a shell needs a busybox for the guest, which this machine has only for x86_64",
        )
        .next("Omit --arch, or run cases: cargo xtask test --arch arm64."));
    }
    let pipeline = Pipeline::open(quiet)?;
    pipeline.tools(&[Purpose::Shell], args.kernel.no_install)?;
    let made = pipeline.kernel(&args.kernel)?;
    let guest = pipeline.guest_program(made.image.facts.arch())?;
    let acceleration = pipeline.acceleration(args.accel, &made.image)?;
    let shell = busybox(&Machine::this()).ok_or_else(|| Error::new(ErrorKind::Internal, "busybox has disappeared"))?;
    let shell = std::fs::read(&shell).map_err(|error| io(&error, "reading", &shell))?;
    let policy = policy::compiled(&made.image.dir);
    let files = ShellFiles {
        guest: &guest,
        policy: policy.as_deref(),
        busybox: &shell,
        script: script.as_deref(),
        greeting: &greeting(&made, acceleration.accel().name()),
        order: Order {
            script: script.is_some(),
            name: "guest".into(),
            size: terminal::size(),
            terminal: std::env::var("TERM").unwrap_or_else(|_| "linux".into()),
            plain: std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()),
        },
    };
    let dir = scratch_directory()?;
    let initramfs = files.pack(&dir.path().join("initramfs.cpio"))?;
    let mut plan =
        BootPlan::new(made.image.facts.arch(), &made.image.vmlinux, &initramfs, dir.path(), acceleration.accel());
    plan.devices = devices(&needs_met(&made.image.config()?, &made.image.facts));
    if script.is_some() {
        let (ended, complaints) = unattended::run(&plan, print)?;
        if !matches!(ended, Ended::Lost(_)) {
            complaints.iter().for_each(|complaint| eprintln!("{complaint}"));
        }
        return Ok(code(&ended, !complaints.is_empty()));
    }
    // A person reads this console: fewer messages, in the usual format.
    plan.append.extend(["loglevel=4".to_string(), "console_msg_format=default".to_string()]);
    if !quiet {
        eprintln!("starting the guest; {HELP}");
    }
    let ended = attended::run(&plan)?;
    Ok(match ended {
        // The status of the last typed command is not a result.
        Ended::Exit(_) | Ended::Dismissed => ExitCode::AsExpected.number(),
        ended => code(&ended, false),
    })
}

/// The commands to run; `None` for a prompt.
fn script(args: &ShellArgs) -> Result<Option<String>> {
    if args.command.is_some() {
        return Ok(args.command.clone());
    }
    let mut stdin = std::io::stdin();
    if stdin.is_terminal() {
        return Ok(None);
    }
    let mut text = String::new();
    stdin.read_to_string(&mut text).context(ErrorKind::Usage, || "standard input cannot be read as commands".into())?;
    if text.trim().is_empty() {
        return Err(Error::new(ErrorKind::Usage, "standard input is not a terminal and has no commands")
            .next("Run it on a terminal, or use --command, such as --command 'cases run R-2'."));
    }
    Ok(Some(text))
}

fn print(stream: Stream, bytes: &[u8]) {
    // The reader may have closed the pipe.
    let _ = match stream {
        Stream::Out => std::io::stdout().write_all(bytes).and_then(|()| std::io::stdout().flush()),
        Stream::Err => std::io::stderr().write_all(bytes),
    };
}

/// The exit code for a script.
fn code(ended: &Ended, complained: bool) -> u8 {
    match ended {
        Ended::Exit(0) if complained => ExitCode::Violated.number(),
        Ended::Exit(status) => u8::try_from(*status).unwrap_or(ExitCode::Internal.number()),
        Ended::Dismissed => ExitCode::AsExpected.number(),
        Ended::Lost(why) => {
            eprintln!("the guest was lost: {why}");
            ExitCode::GuestLost.number()
        }
    }
}

fn greeting(made: &BuiltKernel, accel: &str) -> String {
    let facts = &made.image.facts;
    format!(
        "Linux {} with series {}, {} kernel, {accel}
  cases list           list the cases; cases explain R-2 describes a clause or a case
  cases run R-2        run cases here
  dmesg                show the kernel log
  cat /sys/kernel/debug/dma_buf/bufinfo
                       list all dma-bufs
  exit                 end the guest; Ctrl-A x ends it even if it hangs (Ctrl-A h for help)
",
        facts.version, made.series, facts.flavour
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_returns_its_own_code_unless_the_kernel_complained() {
        for (status, complained, wanted) in [(0, false, 0), (10, false, 10), (130, true, 130), (0, true, 10)] {
            assert_eq!(code(&Ended::Exit(status), complained), wanted);
        }
        assert_eq!(code(&Ended::Lost("x".into()), false), 20);
    }
}
