//! `cargo xtask doctor`: the whole picture of this machine.

use std::fmt::Write;

use harness::error::Result;
use harness::exit_code::ExitCode;

use crate::command_line;
use crate::flags::DoctorArgs;
use crate::run::pipeline::Pipeline;
use harness::report::doctor::Doctor;

/// Prints what is there and what is missing.
///
/// # Errors
/// When the cache cannot be opened, or KVM not be tried. A file of settings that makes no sense is shown as such.
pub fn run(args: &DoctorArgs) -> Result<ExitCode> {
    let pipeline = Pipeline::open(true)?;
    let doctor = Doctor::examine(&pipeline.store, pipeline.kvm(args.probe)?);
    print!("{doctor}\n{}", configuration());
    let code = doctor.exit_code();
    if code != ExitCode::AsExpected {
        println!(
            "\nsomething is missing: `cargo xtask test` installs the tools that it needs, or shows how; the lines above say more"
        );
    }
    Ok(code)
}

/// What is set elsewhere than on the command line, and where that was looked for.
fn configuration() -> String {
    let mut text = String::from("configuration\n");
    let settings = match command_line::load() {
        Ok(settings) => settings,
        Err(error) => return text + &error.to_string().lines().map(|line| format!("  {line}\n")).collect::<String>(),
    };
    for path in &settings.files {
        let _ = writeln!(text, "  file     {}", path.display());
    }
    for path in &settings.absent {
        let _ = writeln!(text, "  no file  {}", path.display());
    }
    for said in &settings.said {
        let _ = writeln!(text, "  {:<10} {:<12} {}", said.key, said.value, said.place);
    }
    if settings.said.is_empty() {
        text += "  nothing is set; docs/configuration.md says what can be\n";
    }
    text
}
