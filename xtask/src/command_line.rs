//! From the words of the command line to [`Flags`], with what is set elsewhere as their defaults.

use std::ffi::OsString;

use clap::{ArgMatches, ColorChoice, FromArgMatches, ValueEnum};
use harness::error::Error;
use harness::host::progress;

use crate::flags::{self, Flags};
use crate::settings::{self, CACHE, IN_CHECKOUT, KEYS, Settings};
use crate::workspace;

/// Commands that are the same for everybody, or that a bad file must not keep from saying so.
const WITHOUT_SETTINGS: [&str; 5] = ["ci", "completions", "doctor", "lint-workflows", "man"];

/// Why there are no flags.
pub enum CommandLineError {
    /// The command line makes no sense, or asks for help.
    Words(clap::Error),
    /// What is set makes no sense.
    Settings(Error),
}

/// Reads the command line, and puts what every command needs of it in force.
///
/// # Errors
/// As [`CommandLineError`] has it.
pub fn read() -> Result<Flags, CommandLineError> {
    let words: Vec<OsString> = std::env::args_os().collect();
    let flags = parsed(&words)?;
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

fn parsed(words: &[OsString]) -> Result<Flags, CommandLineError> {
    let command = || flags::command().color(color(words));
    let plain = command().try_get_matches_from(words);
    let name = plain.as_ref().map(last_word).unwrap_or_default();
    if WITHOUT_SETTINGS.contains(&name) {
        return made(&plain.map_err(CommandLineError::Words)?, Settings::default());
    }
    let settings = match load() {
        Ok(settings) => settings,
        // Help is there for everybody.
        Err(error) => return Err(plain.map_or_else(CommandLineError::Words, |_| CommandLineError::Settings(error))),
    };
    let settings = match &plain {
        Ok(matches) => settings.beside(leaf(matches)),
        Err(_) => settings,
    };
    let matches = settings.applied(command()).try_get_matches_from(words).map_err(CommandLineError::Words)?;
    made(&matches, settings)
}

fn made(matches: &ArgMatches, settings: Settings) -> Result<Flags, CommandLineError> {
    let flags = Flags::from_arg_matches(matches).map_err(CommandLineError::Words)?;
    settings::put_in_force(&flags.global, settings);
    Ok(flags)
}

/// What is set, in the environment of this process.
///
/// # Errors
/// As [`Settings::load`].
pub fn load() -> harness::error::Result<Settings> {
    Settings::load(&|name| std::env::var(name).ok(), &workspace::root())
}

/// What would have an influence on commands that do without: files, and variables. Where the cache is has none.
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

/// The name of the command itself, as `ci` of `dev ci`.
fn last_word(matches: &ArgMatches) -> &str {
    matches.subcommand().map_or("", |(name, below)| if below.subcommand().is_some() { last_word(below) } else { name })
}

/// What belongs to the command itself, as `boot` of `bench boot`.
pub fn leaf(matches: &ArgMatches) -> &ArgMatches {
    matches.subcommand().map_or(matches, |(_, below)| leaf(below))
}

/// Help and errors of the command line itself are coloured before it is understood.
fn color(words: &[OsString]) -> ColorChoice {
    let words: Vec<&str> = words.iter().filter_map(|word| word.to_str()).collect();
    let apart = words.windows(2).find(|pair| pair[0] == "--color").map(|pair| pair[1]);
    let joined = words.iter().find_map(|word| word.strip_prefix("--color="));
    apart.or(joined).and_then(|word| ColorChoice::from_str(word, false).ok()).unwrap_or_default()
}
