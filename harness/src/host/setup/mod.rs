//! The tools that a command needs: found, named with a reason, and installed where that is wanted.
//!
//! Only apt is ever run. On other distributions the command to type is printed, for dnf and pacman alike.

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

/// Older lists name versions that the mirror may have dropped.
const LISTS_ARE_OLD: Duration = Duration::from_secs(24 * 3600);

/// What may be done about missing tools.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Install {
    /// Root without a terminal installs at once; on a terminal a person is asked; else nothing is installed.
    #[default]
    Ask,
    /// At once.
    Auto,
    /// Never: the commands are printed.
    Never,
}

/// Makes sure that everything is there. What apt prints goes to `log`.
///
/// # Errors
/// [`ErrorKind::Host`] when something is missing and may not or cannot be installed: with the command for each
/// distribution, or with the end of apt's output. [`ErrorKind::Interrupt`].
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
            ask(&format!("These are missing:\n{list}\nInstall them now with\n    {command}\n?"))
        }
        Install::Ask => machine.superuser,
    };
    if !allowed {
        return Err(refusal(&missing, machine));
    }
    progress.line(format!("installing what is missing:\n{list}"));
    apt_install(&missing, machine, log, progress)?;
    let still = needs(purposes, machine).into_iter().filter(|need| need.find(machine).is_none()).collect::<Vec<_>>();
    if still.is_empty() {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Host, "apt has installed everything, and still something is missing")
        .cause(describe(&still))
        .next(format!(
            "{} has what apt said. `cargo xtask doctor` looks again once it is mended by hand.",
            log.display()
        )))
}

/// The commands that install some needs, for each kind of distribution; this machine's own first.
pub fn commands(missing: &[&HostTool], machine: &Machine) -> Vec<String> {
    let dnf = format!("dnf install {}", packages(missing, |need| need.fedora));
    let pacman = format!("pacman -S --needed {}", packages(missing, |need| need.arch));
    let mut lines = vec![("apt-get", apt_line(missing)), ("dnf", dnf), ("pacman", pacman)];
    // Stable: the usual order stays among those that are not here.
    lines.sort_by_key(|(program, _)| machine.program(program).is_none());
    lines.into_iter().map(|(_, line)| with_sudo(machine, &line)).collect()
}

fn refusal(missing: &[&HostTool], machine: &Machine) -> Error {
    let names: Vec<&str> = missing.iter().map(|need| need.name).collect();
    Error::new(ErrorKind::Host, format!("not found on this machine: {}", names.join(", ")))
        .cause(describe(missing))
        .next(format!(
            "Install what is missing; the line for your distribution:\n{}",
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
        // needrestart and debconf would ask questions that nobody sees; a fresh machine may be updating itself.
        let words =
            ["DEBIAN_FRONTEND=noninteractive", "NEEDRESTART_SUSPEND=1", "apt-get", "-o", "DPkg::Lock::Timeout=300"];
        let cmd = if machine.superuser { machine.cmd("env") } else { machine.cmd("sudo").args(["-n", "env"]) };
        cmd.args(words).args(["-q", "-y"]).args(arguments)
    };
    if !machine.superuser && !machine.cmd("sudo").args(["-n", "true"]).run().is_ok_and(|output| output.status.success())
    {
        // A child here is not in the terminal's foreground, so sudo could not read a password.
        let mut error = refusal(missing, machine);
        error.next = format!("sudo wants a password: run `sudo -v` and then this again, or yourself\n{}", error.next);
        return Err(error);
    }
    let mut fresh = lists_are_old(machine);
    if fresh {
        // A broken third-party source fails the update and leaves the rest usable: the installation decides.
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
    let said = std::fs::read_to_string(log).unwrap_or_default();
    let next = format!("The whole output is in {}. By hand:\n{}", log.display(), commands(missing, machine)[0]);
    Err(Error::new(ErrorKind::Host, "apt-get could not install what is missing").cause(tail(&said, 15)).next(next))
}

/// Runs a step of apt to its end, and says whether it succeeded. Ctrl-C waits: a killed dpkg leaves a system to repair.
fn run(cmd: &Cmd, label: &str, log: &File, progress: &Progress) -> Result<bool> {
    let handle = || log.try_clone().map(Stdio::from).map_err(|error| io(&error, "writing", Path::new("the log")));
    let mut said = handle_line(log, &cmd.quoted());
    let task = progress.task(label, None);
    let mut running = cmd.clone().to_the_end().start(Stdio::null(), handle()?, handle()?)?;
    let status = loop {
        if let Some(status) = running.try_wait()? {
            break status;
        }
        if said.is_ok() && check_interrupt().is_err() {
            progress.line("stopping as soon as apt has finished");
            said = Err(std::io::ErrorKind::Interrupted.into());
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
    // The lists carry the mirror's time; apt moves every list through this directory, which carries ours.
    let updated = lists.join("partial").metadata().and_then(|meta| meta.modified());
    let age = updated.ok().and_then(|time| SystemTime::now().duration_since(time).ok());
    age.is_some_and(|age| age > LISTS_ARE_OLD)
}

fn ask(question: &str) -> bool {
    eprint!("{question} [Y/n] ");
    let mut answer = String::new();
    match std::io::stdin().lock().read_line(&mut answer) {
        // The end of the input is not an answer.
        Ok(0) | Err(_) => false,
        Ok(_) => matches!(answer.trim().to_lowercase().as_str(), "" | "y" | "yes"),
    }
}

#[cfg(test)]
mod tests;
