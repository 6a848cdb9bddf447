//! Finds the tools that a command needs, and installs missing ones if the user allows it.
//!
//! Only apt is run. For other distributions the dnf and pacman commands are printed.

pub mod need;

use std::fs::File;
use std::io::{BufRead, Write};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, SystemTime};

use crate::error::{Error, ErrorKind, Result, io};
use crate::host::machine::Machine;
use crate::host::process::{Cmd, check_interrupt, create, tail};
use crate::host::progress::Progress;
pub use need::{HostTool, Purpose, missing, needs};

/// Package lists older than this may name versions that the mirror no longer has.
const LISTS_ARE_OLD: Duration = Duration::from_secs(24 * 3600);

/// Whether to install missing tools.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Install {
    /// On a terminal, ask. Without a terminal, root installs without asking and other users install nothing.
    #[default]
    Ask,
    /// Install without asking.
    Auto,
    /// Install nothing, print the commands.
    Never,
}

/// Makes sure that all tools are installed. The output of apt goes to `log`.
///
/// # Errors
/// [`ErrorKind::Host`] when something is missing and is not installed: with the command for each distribution, or with the
/// end of apt's output. [`ErrorKind::Interrupt`].
pub fn ensure(
    purposes: &[Purpose],
    install: Install,
    machine: &Machine,
    log: &Path,
    progress: &Progress,
) -> Result<()> {
    ensure_asking(purposes, install, machine, log, progress, &|question| progress.suspend(|| ask(question)))
}

fn ensure_asking(
    purposes: &[Purpose],
    install: Install,
    machine: &Machine,
    log: &Path,
    progress: &Progress,
    ask: &dyn Fn(&str) -> bool,
) -> Result<()> {
    let missing = missing(purposes, machine);
    if missing.is_empty() {
        return Ok(());
    }
    let list = describe(&missing);
    let allowed = match install {
        Install::Never => false,
        _ if machine.program("apt-get").is_none() => false,
        Install::Auto => true,
        Install::Ask if machine.interactive => {
            let command = with_sudo(machine, &apt_line(&missing));
            ask(&format!("Missing tools:\n{list}\nInstall them now with\n    {command}\n?"))
        }
        Install::Ask => machine.superuser,
    };
    if !allowed {
        return Err(refusal(&missing, machine));
    }
    progress.line(format!("installing missing tools:\n{list}"));
    apt_install(&missing, machine, log, progress)?;
    let still = needs(purposes, machine).into_iter().filter(|need| need.find(machine).is_none()).collect::<Vec<_>>();
    if still.is_empty() {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Host, "apt-get succeeded, but tools are still missing").cause(describe(&still)).next(
        format!(
            "The output of apt is in {}. Install the tools by hand, then check with `cargo xtask doctor`.",
            log.display()
        ),
    ))
}

/// The commands that install some tools, for each kind of distribution. The one for this machine comes first.
pub fn commands(missing: &[&HostTool], machine: &Machine) -> Vec<String> {
    let dnf = format!("dnf install {}", packages(missing, |need| need.fedora));
    let pacman = format!("pacman -S --needed {}", packages(missing, |need| need.arch));
    let mut lines = vec![("apt-get", apt_line(missing)), ("dnf", dnf), ("pacman", pacman)];
    // The sort is stable.
    lines.sort_by_key(|(program, _)| machine.program(program).is_none());
    lines.into_iter().map(|(_, line)| with_sudo(machine, &line)).collect()
}

fn refusal(missing: &[&HostTool], machine: &Machine) -> Error {
    let names: Vec<&str> = missing.iter().map(|need| need.name).collect();
    Error::new(ErrorKind::Host, format!("not found on this machine: {}", names.join(", ")))
        .cause(describe(missing))
        .next(format!(
            "Install the missing tools with the command for your distribution:\n{}",
            commands(missing, machine).join("\n")
        ))
}

fn describe(needs: &[&HostTool]) -> String {
    let lines: Vec<String> = needs.iter().map(|need| format!("  {:<23} {}", need.name, need.why)).collect();
    lines.join("\n")
}

fn packages(needs: &[&HostTool], name: impl Fn(&HostTool) -> &'static str) -> String {
    let mut names: Vec<&str> = needs.iter().map(|need| name(need)).filter(|name| !name.is_empty()).collect();
    names.sort_unstable();
    names.dedup();
    names.join(" ")
}

fn apt_line(needs: &[&HostTool]) -> String {
    format!("apt-get install --no-install-recommends {}", packages(needs, |need| need.debian))
}

fn with_sudo(machine: &Machine, line: &str) -> String {
    if machine.superuser { line.to_string() } else { format!("sudo {line}") }
}

fn apt_install(missing: &[&HostTool], machine: &Machine, log: &Path, progress: &Progress) -> Result<()> {
    if let Some(dir) = log.parent() {
        std::fs::create_dir_all(dir).map_err(|error| io(&error, "creating", dir))?;
    }
    let log_file = create(log)?;
    let apt = |arguments: &[&str]| {
        // needrestart and debconf would prompt. On a new machine an automatic update may hold the dpkg lock.
        let words =
            ["DEBIAN_FRONTEND=noninteractive", "NEEDRESTART_SUSPEND=1", "apt-get", "-o", "DPkg::Lock::Timeout=300"];
        let cmd = if machine.superuser { machine.cmd("env") } else { machine.cmd("sudo").args(["-n", "env"]) };
        cmd.args(words).args(["-q", "-y"]).args(arguments)
    };
    if !machine.superuser && !machine.cmd("sudo").args(["-n", "true"]).run().is_ok_and(|output| output.status.success())
    {
        // A child is not in the terminal's foreground process group, so sudo could not read a password.
        let mut error = refusal(missing, machine);
        error.next = format!(
            "sudo needs a password: run `sudo -v` and repeat this command, or install by hand.\n{}",
            error.next
        );
        return Err(error);
    }
    let mut fresh = lists_are_old(machine);
    if fresh {
        // An update may fail because of a broken third-party source; the installation can still succeed.
        run(&apt(&["update"]), "apt-get update", &log_file, progress)?;
    }
    let names = packages(missing, |need| need.debian);
    let arguments: Vec<&str> = ["install", "--no-install-recommends"].into_iter().chain(names.split(' ')).collect();
    let label = format!("apt-get install {names}");
    loop {
        if run(&apt(&arguments), &label, &log_file, progress)? {
            return Ok(());
        }
        if fresh {
            break;
        }
        fresh = true;
        run(&apt(&["update"]), "apt-get update", &log_file, progress)?;
    }
    let output = std::fs::read_to_string(log).unwrap_or_default();
    let next =
        format!("The whole output is in {}. To install by hand:\n{}", log.display(), commands(missing, machine)[0]);
    Err(Error::new(ErrorKind::Host, "apt-get could not install the missing tools").cause(tail(&output, 15)).next(next))
}

/// Runs apt to its end and returns whether it succeeded. Ctrl-C does not kill it: a killed dpkg leaves a system to repair.
fn run(cmd: &Cmd, label: &str, log: &File, progress: &Progress) -> Result<bool> {
    let handle = || log.try_clone().map(Stdio::from).map_err(|error| io(&error, "writing", Path::new("the log")));
    let mut logged = handle_line(log, &cmd.quoted());
    let task = progress.task(label, None);
    let mut running = cmd.clone().to_the_end().start(Stdio::null(), handle()?, handle()?)?;
    let status = loop {
        if let Some(status) = running.try_wait()? {
            break status;
        }
        if logged.is_ok() && check_interrupt().is_err() {
            progress.line("stopping when apt has finished");
            logged = Err(std::io::ErrorKind::Interrupted.into());
        }
        task.inc(0);
        std::thread::sleep(Duration::from_millis(100));
    };
    check_interrupt()?;
    if status.success() {
        task.done("done");
    }
    Ok(status.success())
}

fn handle_line(mut log: &File, line: &str) -> std::io::Result<()> {
    writeln!(log, "$ {line}")
}

fn lists_are_old(machine: &Machine) -> bool {
    let lists = machine.file("/var/lib/apt/lists");
    let names = std::fs::read_dir(&lists).into_iter().flatten().flatten();
    if !names.into_iter().any(|entry| entry.file_name().to_string_lossy().contains("_Packages")) {
        return true;
    }
    // The lists have the mirror's time stamps. apt moves every list through `partial`, whose time stamp is ours.
    let updated = lists.join("partial").metadata().and_then(|meta| meta.modified());
    let age = updated.ok().and_then(|time| SystemTime::now().duration_since(time).ok());
    age.is_some_and(|age| age > LISTS_ARE_OLD)
}

fn ask(question: &str) -> bool {
    eprint!("{question} [Y/n] ");
    let mut answer = String::new();
    match std::io::stdin().lock().read_line(&mut answer) {
        // End of input counts as no.
        Ok(0) | Err(_) => false,
        Ok(_) => matches!(answer.trim().to_lowercase().as_str(), "" | "y" | "yes"),
    }
}

#[cfg(test)]
mod tests;
