//! Defaults that a person has chosen: the command line beats the environment, that a file in the checkout, that a file in
//! the home directory. They become the defaults of the command line itself, so that clap reads the values, and help shows them.

pub mod file;
pub mod key;

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use clap::builder::ArgPredicate;
use clap::error::{ContextKind, ContextValue};
use clap::{Arg, Command};
use harness::error::{Error, ErrorKind, Result};

use crate::flags::{self, Global};
use crate::run::run_directory::Keep;
use key::{KEYS, Key};

/// How variables of the environment are asked for.
pub type Variables<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// A value, and where it was set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingValue {
    /// What is set.
    pub key: &'static Key,
    /// To what.
    pub value: String,
    /// Where: file and line, or the variable.
    pub place: String,
}

/// What is set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// The strongest word on each key, in the order of the manual.
    pub said: Vec<SettingValue>,
    /// Files that were read.
    pub files: Vec<PathBuf>,
    /// Files that would have been read.
    pub absent: Vec<PathBuf>,
}

impl Settings {
    /// Reads files and environment, and has clap try every value.
    ///
    /// # Errors
    /// As [`file::read`]; [`ErrorKind::Usage`] with the place of a value that makes no sense.
    pub fn load(env: &Variables<'_>, checkout: &Path) -> Result<Settings> {
        let mut settings = Settings::default();
        let named = env(file::VARIABLE).is_some();
        for path in file::places(env, checkout) {
            match file::read(&path, named)? {
                Some(said) => {
                    said.into_iter().for_each(|said| settings.set(said));
                    settings.files.push(path);
                }
                None => settings.absent.push(path),
            }
        }
        for key in KEYS {
            let place = key.variable();
            if let Some(value) = env(&place).filter(|value| !value.is_empty()) {
                settings.set(SettingValue { key, value, place });
            }
        }
        for said in &mut settings.said {
            if let (Some(rest), Some(home)) = (said.value.strip_prefix("~/"), env("HOME")) {
                said.value = format!("{}/{rest}", home.trim_end_matches('/'));
            }
            check(said)?;
        }
        settings.said.sort_by_key(|said| KEYS.iter().position(|key| key == said.key));
        Ok(settings)
    }

    fn set(&mut self, said: SettingValue) {
        self.said.retain(|known| known.key != said.key);
        self.said.push(said);
    }

    /// The command line with these as its defaults.
    pub fn applied(&self, command: Command) -> Command {
        let name = command.get_name().to_string();
        let has = |option: &str| command.get_arguments().any(|arg| arg.get_long() == Some(option));
        let of_kernels = has("kernel-tree");
        let meant = |said: &&SettingValue| {
            has(said.key.name) && (of_kernels || !said.key.of_kernels) && !said.key.not_for.contains(&name.as_str())
        };
        let said: Vec<&SettingValue> = self.said.iter().filter(meant).collect();
        let command = said.into_iter().fold(command, |command, said| {
            let id = said.key.name.replace('-', "_");
            command.mut_arg(id, |arg| with_default(arg, said))
        });
        let below: Vec<String> = command.get_subcommands().map(|command| command.get_name().to_string()).collect();
        below.into_iter().fold(command, |command, name| command.mut_subcommand(name, |command| self.applied(command)))
    }

    /// The same without the word on a key.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.said.retain(|said| said.key.name != name);
        self
    }
}

/// What is given on the command line takes away what would be said about something else.
fn with_default(arg: Arg, said: &SettingValue) -> Arg {
    let rivals: &[&str] = match said.key.name {
        "kernel" => &["kernel_tree", "tarball"],
        "series" => &["kernel_tree"],
        _ => &[],
    };
    let given = |rival: &&'static str| (*rival, ArgPredicate::IsPresent, None::<&'static str>);
    arg.default_value_ifs(rivals.iter().map(given).collect::<Vec<_>>()).default_value(said.value.clone())
}

/// Has clap read the value, as the option of `cargo xtask test` that it is.
fn check(said: &SettingValue) -> Result<()> {
    let SettingValue { key, value, place } = said;
    let flags = flags::command();
    let test = flags.find_subcommand("test");
    let flag = test.and_then(|test| test.get_arguments().find(|arg| arg.get_long() == Some(key.name)));
    let is_flag = flag.is_some_and(|arg| !arg.get_action().takes_values());
    let wrong = |why: String, next: String| {
        Err(Error::new(ErrorKind::Usage, format!("{place}: {} cannot be {value:?}", key.name)).cause(why).next(next))
    };
    let example = || format!("Write {} = {}", key.name, key.example);
    if is_flag {
        return if ["true", "false"].contains(&value.as_str()) {
            Ok(())
        } else {
            wrong("true or false".into(), example())
        };
    }
    let words = ["cargo xtask".to_string(), "test".to_string(), format!("--{}={value}", key.name)];
    let Err(error) = flags.try_get_matches_from(words) else { return Ok(()) };
    if !matches!(error.kind(), clap::error::ErrorKind::InvalidValue | clap::error::ErrorKind::ValueValidation) {
        return wrong(error.to_string(), example());
    }
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => text.clone(),
        Some(ContextValue::Strings(texts)) => texts.join(", "),
        _ => String::new(),
    };
    let (known, meant) = (text(ContextKind::ValidValue), text(ContextKind::SuggestedValue));
    let why = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
    let why = if known.is_empty() { why } else { format!("it may be {known}") };
    wrong(why, if meant.is_empty() { example() } else { format!("Did you mean {meant}?") })
}

static IN_FORCE: OnceLock<(Global, Settings)> = OnceLock::new();

/// Makes these the options of every command, and the settings that errors mention. The first word counts.
pub fn put_in_force(global: &Global, settings: Settings) {
    let _ = IN_FORCE.set((global.clone(), settings));
}

/// Where the cache is, if that is said.
pub fn cache() -> Option<PathBuf> {
    IN_FORCE.get()?.0.cache.clone()
}

/// Which runs stay when another one begins.
pub fn keep() -> Keep {
    IN_FORCE.get().map_or_else(Keep::default, |(global, _)| global.keep())
}

/// What was set elsewhere than on the command line, one line each.
pub fn elsewhere() -> Vec<String> {
    let said = IN_FORCE.get().map(|(_, settings)| settings.said.as_slice()).unwrap_or_default();
    said.iter().map(|said| format!("{} = {:?} is from {}", said.key.name, said.value, said.place)).collect()
}

#[cfg(test)]
mod tests;
