//! `cargo xtask shell --vng`: the kernel under virtme-ng, with the host's own file system as its root. What the guest writes
//! goes to overlays in its memory.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use harness::error::{Context, Error, ErrorKind, Result, io};
use harness::exit_code::ExitCode;
use harness::guest::boot_plan::FOR_CASES;
use harness::host::machine::Machine;
use harness::host::process::Cmd;
use harness::host::setup::Purpose;
use harness::kbuild::kconfig::VNG;
use harness::session::accel::Accel;
use harness::session::shell::terminal;

use super::virtme::Virtme;
use crate::flags::{KernelArgs, ShellArgs};
use crate::run::pipeline::Pipeline;
use crate::workspace;

/// What vng exits with when the guest went away without a word.
const LOST: i32 = 255;

/// Runs the guest until it ends, and gives back the exit code.
///
/// # Errors
/// Whatever keeps it from being started.
pub fn run(args: &ShellArgs, script: Option<&str>, quiet: bool) -> Result<u8> {
    let (pipeline, machine) = (Pipeline::open(quiet)?, Machine::this());
    let virtme = Virtme::provide(&machine, &pipeline.store, args.kernel.no_install)?;
    pipeline.tools(Purpose::ALL, args.kernel.no_install)?;
    let made = pipeline.kernel(&KernelArgs { flavour: Some(flavour(args)?), ..args.kernel.clone() })?;
    pipeline.guest_program()?;
    let acceleration = pipeline.acceleration(args.accel, &made.image.vmlinux)?;
    // A directory of the host that the guest sees: with the programs of both, and shorter than a kernel command line.
    let programs = pipeline.guest_program_path().parent().map(|dir| dir.display().to_string()).unwrap_or_default();
    let dir = tempfile::tempdir_in(workspace::target()).context(ErrorKind::Host, || "no room for a script".into())?;
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
    // The microvm has no bus on which the rest could be; without --force-9p it waits for a virtiofsd that may not come.
    vng = vng.args(["--user", "root", "--force-9p", "--disable-microvm", "--cpus", "2", "--memory", "1G"]);
    if acceleration.accel() == Accel::Tcg {
        vng = vng.arg("--disable-kvm");
    }
    vng = FOR_CASES.iter().fold(vng, |vng, word| vng.args(["--append", word]));
    if !quiet {
        eprintln!("starting it with {}", virtme.path().display());
    }
    match script {
        Some(_) => unattended(&vng.args(["--exec", &format!("sh {}", start.display())])),
        None => attended(&vng.arg("--shell").path(&start)),
    }
}

/// The same flavour as that of `test`, and what virtme-ng needs.
fn flavour(args: &ShellArgs) -> Result<String> {
    let plain = match &args.kernel.flavour {
        Some(flavour) => flavour.clone(),
        None => crate::run::pipeline::spec(&args.kernel)?.flavour,
    };
    Ok(if plain.ends_with(VNG) { plain } else { plain + VNG })
}

fn unattended(vng: &Cmd) -> Result<u8> {
    let pipe = || std::io::pipe().context(ErrorKind::Host, || "no pipe for what it prints".into());
    // Not our own streams: QEMU would open a file anew, and empty it.
    let ((out, out_end), (err, err_end)) = (pipe()?, pipe()?);
    let mut running = vng.start(Stdio::null(), out_end.into(), err_end.into())?;
    let copies = [copy(out, std::io::stdout()), copy(err, std::io::stderr())];
    let status = running.finish()?;
    drop(running);
    copies.into_iter().for_each(|copy| _ = copy.join());
    match status.code() {
        Some(LOST) => {
            eprintln!("the guest was lost: it went away before the commands were over (--accel tcg rules KVM out)");
            Ok(ExitCode::GuestLost.number())
        }
        Some(code) => Ok(u8::try_from(code).unwrap_or(ExitCode::Internal.number())),
        None => Err(Error::new(ErrorKind::Host, format!("virtme-ng ended with {status}"))
            .next("Its last words are above; `vng --version` tells whether it runs at all.")),
    }
}

fn copy(mut from: impl Read + Send + 'static, mut to: impl Write + Send + 'static) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        let mut piece = [0u8; 4096];
        while let Ok(len @ 1..) = from.read(&mut piece) {
            // Who reads no further has seen enough; virtme-ng still has to get rid of it.
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
        "Linux {} with series {}, {} kernel, on the files of this machine; what is written here is gone afterwards
  cases list           which cases there are; cases explain R-2 says what one is about
  cases run R-2        run some of them here
  exit                 ends the guest; so does Ctrl-A x, whatever it does
",
        facts.version, made.series, facts.flavour
    )
}
