//! `cargo xtask dev bench boot`: what the suite costs beyond booting.

use std::process::Command;
use std::time::Instant;

use harness::error::{Error, ErrorKind, Result};
use harness::exit_code::ExitCode;
use harness::guest::boot_plan::BootPlan;
use harness::guest::initramfs::Initramfs;
use harness::guest::qemu::{self, Timeouts};
use harness::guest::recording::GuestEnd;
use harness::host::process::{Cmd, scratch_directory};
use harness::judge::transcript::Transcript;
use xshell::{Shell, cmd};

use crate::flags::{AccelChoice, KernelArgs};
use crate::run::pipeline::Pipeline;
use crate::workspace;

/// Measures booting and powering off, and a whole `cargo xtask test`, in turn; prints both and their ratio.
///
/// # Errors
/// When a guest does not boot, or a test run ends with an error.
pub fn boot(args: &KernelArgs, runs: usize, quiet: bool) -> Result<ExitCode> {
    let pipeline = Pipeline::open(quiet)?;
    let made = pipeline.kernel(args)?;
    let program = pipeline.guest_program()?;
    let dir = scratch_directory()?;
    let initramfs = Initramfs::pack(&dir.path().join("initramfs.cpio"), &program, &[])?;
    let accel = pipeline.acceleration(AccelChoice::Auto, &made.image.vmlinux)?;
    let plan = BootPlan::new(&made.image.vmlinux, &initramfs, dir.path(), accel.accel());

    let mut pairs = Vec::new();
    let task = pipeline.progress.task("measuring", Some(runs as u64));
    // The first pair fills the caches and is not counted.
    for run in 0..=runs {
        let start = Instant::now();
        let recording = qemu::run(&plan, Timeouts::default(), |_| {})?;
        let boot = start.elapsed().as_secs_f64();
        if recording.ending != GuestEnd::Left || Transcript::parse(&recording.results).count != Some(0) {
            return Err(Error::new(ErrorKind::Host, "the guest did not boot and power off")
                .cause(format!("{:?}", recording.ending))
                .next("Run `cargo xtask test` on the same kernel; its report says more."));
        }
        let test = whole_test(args)?;
        if run > 0 {
            pairs.push((boot, test));
        }
        task.set(run as u64);
    }
    task.done("");
    print_row("boot and power off", pairs.iter().map(|pair| pair.0), "s");
    print_row("cargo xtask test", pairs.iter().map(|pair| pair.1), "s");
    print_row("ratio", pairs.iter().map(|(boot, test)| test / boot), "");
    Ok(ExitCode::AsExpected)
}

fn whole_test(args: &KernelArgs) -> Result<f64> {
    let shell = Shell::new()
        .map_err(|error| Error::new(ErrorKind::Internal, "the current directory cannot be determined").cause(error))?;
    shell.change_dir(workspace::root());
    let mut words: Vec<String> = Vec::new();
    for (name, value) in [("--kernel", &args.kernel), ("--series", &args.series), ("--flavour", &args.flavour)] {
        if let Some(value) = value {
            words.extend([name.to_string(), value.clone()]);
        }
    }
    let start = Instant::now();
    let output = Cmd::from(Command::from(cmd!(shell, "cargo xtask --quiet test {words...}"))).run()?;
    let took = start.elapsed().as_secs_f64();
    if !output.status.success() {
        return Err(Error::new(ErrorKind::Internal, "a run did not end as expected, so its time was not measured")
            .cause(output.text));
    }
    Ok(took)
}

fn print_row(what: &str, values: impl Iterator<Item = f64>, unit: &str) {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let median = values[values.len() / 2];
    println!("{what:<18} median {median:6.2} {unit:<1}   min {:6.2}   max {:6.2}", values[0], values[values.len() - 1]);
}
