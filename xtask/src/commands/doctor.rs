//! `cargo xtask doctor`: checks this machine.

use std::fmt::Write;

use harness::error::Result;
use harness::exit_code::ExitCode;

use crate::command_line;
use crate::flags::DoctorArgs;
use crate::run::pipeline::Pipeline;
use harness::report::doctor::Doctor;

/// Prints what is installed and what is missing.
///
/// # Errors
/// When the cache cannot be opened, or KVM cannot be tested. An invalid settings file is shown and is not an error.
pub fn run(args: &DoctorArgs) -> Result<ExitCode> {
    let pipeline = Pipeline::open(true)?;
    let doctor = Doctor::examine(&pipeline.store, pipeline.kvm(args.probe)?);
    print!("{doctor}\n{}", configuration());
    let code = doctor.exit_code();
    if code != ExitCode::AsExpected {
        println!(
            "\nsomething is missing, see above; `cargo xtask test` installs the tools that it needs, or shows the command"
        );
    }
    Ok(code)
}

/// The settings from files and the environment, and the files that were looked for.
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
    for setting in &settings.values {
        let _ = writeln!(text, "  {:<10} {:<12} {}", setting.key, setting.value, setting.place);
    }
    if settings.values.is_empty() {
        text += "  nothing is set; docs/configuration.md lists the settings\n";
    }
    text
}
