//! `cargo xtask dev completions` and `dev man`: shell completions and manual pages, generated from the command line.

use std::fs;
use std::path::Path;

use clap_complete::Shell;
use harness::error::{Result, io};
use harness::exit_code::ExitCode;

use crate::flags;

/// The command that shells complete: the program itself, or an alias of that name.
const PROGRAM: &str = "xtask";
/// The name of the manual page, as cargo names those of its own commands.
const PAGE: &str = "cargo-xtask";

/// Prints the completions for a shell.
pub fn completions(shell: Shell) -> ExitCode {
    print!("{}", completed(shell));
    ExitCode::AsExpected
}

/// Writes a page for each command into a directory, which is created if missing.
///
/// # Errors
/// [`harness::error::ErrorKind::Host`] when it cannot be written.
pub fn pages(dir: &Path) -> Result<ExitCode> {
    fs::create_dir_all(dir).map_err(|error| io(&error, "creating", dir))?;
    clap_mangen::generate_to(flags::command().name(PAGE), dir)
        .map_err(|error| io(&error, "writing the pages into", dir))?;
    println!("man -l {}", dir.join(PAGE).with_extension("1").display());
    Ok(ExitCode::AsExpected)
}

fn completed(shell: Shell) -> String {
    let mut text = Vec::new();
    let mut command = flags::command().name(PROGRAM).bin_name(PROGRAM);
    clap_complete::generate(shell, &mut command, PROGRAM, &mut text);
    String::from_utf8_lossy(&text).into_owned()
}

#[cfg(test)]
mod tests {
    use clap::{Command, ValueEnum};

    use super::*;

    /// Every command that is not hidden, with its path: `bench-boot`.
    fn commands(of: &Command, path: &str) -> Vec<String> {
        let all = of.get_subcommands().filter(|command| !command.is_hide_set() && command.get_name() != "help");
        all.flat_map(|command| {
            let path = format!("{path}-{}", command.get_name());
            let below = commands(command, &path);
            [vec![path], below].concat()
        })
        .collect()
    }

    #[test]
    fn clap_accepts_the_definition_of_the_command_line() {
        flags::command().debug_assert();
    }

    #[test]
    fn every_command_has_a_page_and_there_is_no_other_page() {
        let dir = tempfile::tempdir().unwrap();
        pages(&dir.path().join("man1")).unwrap();
        let entries = fs::read_dir(dir.path().join("man1")).unwrap();
        let mut made: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        let mut wanted: Vec<String> =
            commands(&flags::command(), PAGE).into_iter().map(|name| format!("{name}.1")).collect();
        wanted.push(format!("{PAGE}.1"));
        made.sort();
        wanted.sort();
        assert!(wanted.len() > 15, "{wanted:?}");
        assert_eq!(made, wanted);
        let page = fs::read_to_string(dir.path().join("man1/cargo-xtask-test.1")).unwrap();
        assert!(
            page.contains("fBcargo xtask test\\fR")
                && page.contains("the kernel without the series")
                && page.contains("\\-\\-fail\\-fast"),
            "{page}"
        );
    }

    #[test]
    fn completions_of_every_shell_have_every_command_and_its_options() {
        let names: Vec<String> = flags::command()
            .get_subcommands()
            .filter(|command| !command.is_hide_set())
            .map(|command| command.get_name().to_string())
            .collect();
        for shell in Shell::value_variants() {
            let text = completed(*shell);
            for name in &names {
                assert!(text.contains(name.as_str()), "{shell}: {name}");
            }
            for option in ["until-fail", "keep-going"] {
                assert!(text.contains(option), "{shell}: {option}");
            }
        }
    }
}
