//! Parses the command line into [`Flags`]. Settings from files and the environment are its defaults.

use std::ffi::OsString;

use clap::{ArgMatches, ColorChoice, FromArgMatches, ValueEnum};
use harness::error::Error;
use harness::host::progress;

use crate::flags::{self, Flags};
use crate::settings::{self, CACHE, IN_CHECKOUT, KEYS, Settings};
use crate::workspace;

/// Commands that ignore settings: their result is the same for everybody, or a bad settings file must not stop them.
const WITHOUT_SETTINGS: [&str; 5] = ["ci", "completions", "doctor", "lint-workflows", "man"];

/// Why the command line was not accepted.
pub enum CommandLineError {
    /// An invalid command line, or a request for help.
    CommandLine(clap::Error),
    /// An invalid setting.
    Settings(Error),
}

/// Reads the command line and applies the global options.
///
/// # Errors
/// See [`CommandLineError`].
pub fn read() -> Result<Flags, CommandLineError> {
    let words: Vec<OsString> = std::env::args_os().collect();
    let flags = parse(&words)?;
    anstream::ColorChoice::write_global(match flags.global.color {
        ColorChoice::Auto => anstream::ColorChoice::Auto,
        ColorChoice::Always => anstream::ColorChoice::Always,
        ColorChoice::Never => anstream::ColorChoice::Never,
    });
    if flags.global.verbose {
        progress::be_verbose();
        settings::elsewhere().into_iter().for_each(|line| progress::detail(|| line));
    }
    Ok(flags)
}

fn parse(words: &[OsString]) -> Result<Flags, CommandLineError> {
    let command = || flags::command().color(color(words));
    let plain = command().try_get_matches_from(words);
    let name = plain.as_ref().map(command_name).unwrap_or_default();
    if WITHOUT_SETTINGS.contains(&name) {
        return flags_from(&plain.map_err(CommandLineError::CommandLine)?, Settings::default());
    }
    let settings = match load() {
        Ok(settings) => settings,
        // Help works even if a setting is invalid.
        Err(error) => {
            return Err(plain.map_or_else(CommandLineError::CommandLine, |_| CommandLineError::Settings(error)));
        }
    };
    let settings = match &plain {
        Ok(matches) => settings.beside(leaf(matches)),
        Err(_) => settings,
    };
    let matches = settings.applied(command()).try_get_matches_from(words).map_err(CommandLineError::CommandLine)?;
    flags_from(&matches, settings)
}

fn flags_from(matches: &ArgMatches, settings: Settings) -> Result<Flags, CommandLineError> {
    let flags = Flags::from_arg_matches(matches).map_err(CommandLineError::CommandLine)?;
    settings::put_in_force(&flags.global, settings);
    Ok(flags)
}

/// The settings from files and from the environment of this process.
///
/// # Errors
/// As [`Settings::load`].
pub fn load() -> harness::error::Result<Settings> {
    Settings::load(&|name| std::env::var(name).ok(), &workspace::root())
}

/// Files and variables that commands without settings ignore. The place of the cache is not ignored.
pub fn ignored() -> Vec<String> {
    let env = |name: &str| std::env::var(name).ok();
    let files = settings::places(&env, &workspace::root()).into_iter().filter(|path| path.exists());
    let files = files.map(|path| match path.ends_with(IN_CHECKOUT) {
        true => IN_CHECKOUT.to_string(),
        false => path.display().to_string(),
    });
    let variables =
        KEYS.into_iter().filter(|key| *key != CACHE).map(settings::variable).filter(|name| env(name).is_some());
    files.chain(variables).collect()
}

/// The name of the innermost command: `ci` of `dev ci`.
fn command_name(matches: &ArgMatches) -> &str {
    matches
        .subcommand()
        .map_or("", |(name, below)| if below.subcommand().is_some() { command_name(below) } else { name })
}

/// The matches of the innermost command: `boot` of `bench boot`.
pub fn leaf(matches: &ArgMatches) -> &ArgMatches {
    matches.subcommand().map_or(matches, |(_, below)| leaf(below))
}

/// --color applies to clap's own help and errors too, so it is read before clap parses the rest.
fn color(words: &[OsString]) -> ColorChoice {
    let words: Vec<&str> = words.iter().filter_map(|word| word.to_str()).collect();
    let separate = words.windows(2).find(|pair| pair[0] == "--color").map(|pair| pair[1]);
    let joined = words.iter().find_map(|word| word.strip_prefix("--color="));
    separate.or(joined).and_then(|word| ColorChoice::from_str(word, false).ok()).unwrap_or_default()
}
