//! `cargo xtask shell --vng`: boots the kernel under virtme-ng, with the host's file system as root. Writes of the guest go to
//! overlays in its memory.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use harness::error::{Context, Error, ErrorKind, Result, io};
use harness::exit_code::ExitCode;
use harness::guest::boot_plan::FOR_CASES;
use harness::host::arch::X86_64;
use harness::host::machine::Machine;
use harness::host::process::Cmd;
use harness::host::setup::Purpose;
use harness::kbuild::kconfig::VNG;
use harness::session::accel::Accel;
use harness::session::shell::terminal;

use super::virtme_ng_install::VirtmeNg;
use crate::flags::{KernelArgs, ShellArgs};
use crate::run::pipeline::Pipeline;
use crate::workspace;

/// Exit code of vng when the guest ended unexpectedly.
const LOST: i32 = 255;

/// Runs the guest until it ends, and returns the exit code.
///
/// # Errors
/// When it cannot be started.
pub fn run(args: &ShellArgs, script: Option<&str>, quiet: bool) -> Result<u8> {
    let (pipeline, machine) = (Pipeline::open(quiet)?, Machine::this());
    let virtme = VirtmeNg::provide(&machine, &pipeline.store, args.kernel.no_install)?;
    pipeline.tools(Purpose::ALL, args.kernel.no_install)?;
    let made = pipeline.kernel(&KernelArgs { flavour: Some(flavour(args)?), ..args.kernel.clone() })?;
    pipeline.guest_program(&X86_64)?;
    let acceleration = pipeline.acceleration(args.accel, &made.image)?;
    // The script is a file that the guest sees, because a kernel command line is too short for it.
    let programs =
        pipeline.guest_program_path(&X86_64).parent().map(|dir| dir.display().to_string()).unwrap_or_default();
    let dir = tempfile::tempdir_in(workspace::target())
        .context(ErrorKind::Host, || "no temporary directory for the script".into())?;
    let start = dir.path().join("start");
    let path = format!("export PATH='{}':\"$PATH\"\n", programs.replace('\'', r"'\''"));
    let text = match script {
        Some(script) => format!("{path}{script}\n"),
        None => format!(
            "#!/bin/sh\n{path}cat <<'GREETING'\n{}GREETING\ncommand -v bash >/dev/null && exec bash -i\nexec sh -i\n",
            greeting(&made)
        ),
    };
    let executable = fs::Permissions::from_mode(0o755);
    fs::write(&start, text)
        .and_then(|()| fs::set_permissions(&start, executable))
        .map_err(|error| io(&error, "writing", &start))?;
    let mut vng = virtme.cmd(&machine).arg("--run").path(&made.image.vmlinux);
    // The microvm lacks the buses that the kernel needs. Without --force-9p, vng waits for a virtiofsd that may be missing.
    vng = vng.args(["--user", "root", "--force-9p", "--disable-microvm", "--cpus", "2", "--memory", "1G"]);
    if acceleration.accel() == Accel::Tcg {
        vng = vng.arg("--disable-kvm");
    }
    vng = X86_64
        .parameters
        .iter()
        .filter(|word| !word.contains('='))
        .chain(FOR_CASES)
        .fold(vng, |vng, word| vng.args(["--append", word]));
    if !quiet {
        eprintln!("starting the guest with {}", virtme.path().display());
    }
    match script {
        Some(_) => unattended(&vng.args(["--exec", &format!("sh {}", start.display())])),
        None => attended(&vng.arg("--shell").path(&start)),
    }
}

/// The flavour of `test` plus what virtme-ng needs.
fn flavour(args: &ShellArgs) -> Result<String> {
    let plain = match &args.kernel.flavour {
        Some(flavour) => flavour.clone(),
        None => crate::run::pipeline::spec(&args.kernel)?.flavour,
    };
    Ok(if plain.ends_with(VNG) { plain } else { plain + VNG })
}

fn unattended(vng: &Cmd) -> Result<u8> {
    let pipe = || std::io::pipe().context(ErrorKind::Host, || "no pipe for the guest's output".into());
    // Pipes and not our own streams: if they are files, QEMU reopens and truncates them.
    let ((out, out_end), (err, err_end)) = (pipe()?, pipe()?);
    let mut running = vng.start(Stdio::null(), out_end.into(), err_end.into())?;
    let copies = [copy(out, std::io::stdout()), copy(err, std::io::stderr())];
    let status = running.finish()?;
    drop(running);
    copies.into_iter().for_each(|copy| _ = copy.join());
    match status.code() {
        Some(LOST) => {
            eprintln!(
                "the guest was lost: it ended before the commands did (try --accel tcg, in case KVM is the cause)"
            );
            Ok(ExitCode::GuestLost.number())
        }
        Some(code) => Ok(u8::try_from(code).unwrap_or(ExitCode::Internal.number())),
        None => Err(Error::new(ErrorKind::Host, format!("virtme-ng ended with {status}"))
            .next("Its output is above; `vng --version` shows whether it runs at all.")),
    }
}

fn copy(mut from: impl Read + Send + 'static, mut to: impl Write + Send + 'static) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        let mut piece = [0u8; 4096];
        while let Ok(len @ 1..) = from.read(&mut piece) {
            // If our reader has closed the pipe, keep reading, so that virtme-ng does not block.
            let _ = to.write_all(&piece[..len]).and_then(|()| to.flush());
        }
    })
}

fn attended(vng: &Cmd) -> Result<u8> {
    let status = terminal::lend(vng)?;
    Ok(if status.success() { ExitCode::AsExpected.number() } else { ExitCode::GuestLost.number() })
}

fn greeting(made: &crate::run::pipeline::BuiltKernel) -> String {
    let facts = &made.image.facts;
    format!(
        "Linux {} with series {}, {} kernel, on the files of this machine; writes are discarded at the end
  cases list           list the cases; cases explain R-2 describes a clause or a case
  cases run R-2        run cases here
  exit                 end the guest; Ctrl-A x ends it even if it hangs
",
        facts.version, made.series, facts.flavour
    )
}
