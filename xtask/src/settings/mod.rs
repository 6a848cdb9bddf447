//! Defaults that a person has chosen: the command line beats the environment, that a file in the checkout, that a file in
//! the home directory. They become defaults of the command line itself, so that clap reads the values and help shows them.
//! Clap's own `env` would not do: to it a variable is as explicit as an option, and excludes other options.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use clap::parser::ValueSource;
use clap::{ArgMatches, Command, CommandFactory};
use harness::error::{Error, ErrorKind, Result, io};
use harness::host::near::near;
use harness::source::git_spec::GitSpec;
use toml::{Spanned, Value};

use crate::flags::{Flags, Global};
use crate::run::run_directory::Keep;

/// Options whose default can be set; docs/configuration.md says what each does.
pub const KEYS: [&str; 10] =
    ["kernel", "series", "flavour", "accel", "no-install", "color", CACHE, "keep-runs", "keep-days", "keep-size"];
/// The one that has no influence on what is found out.
pub const CACHE: &str = "cache";
/// In the checkout; git ignores it.
pub const IN_CHECKOUT: &str = "conformance.toml";
/// Names one file, and no other is looked for; `none` for no file at all.
pub const FILE: &str = "CONFORMANCE_CONFIG";

/// How variables of the environment are asked for.
pub type Variables<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// The variable of the environment that sets an option.
pub fn variable(key: &str) -> String {
    format!("CONFORMANCE_{}", key.to_uppercase().replace('-', "_"))
}

/// A value, and where it was set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingValue {
    /// One of [`KEYS`].
    pub key: &'static str,
    /// To what it is set.
    pub value: String,
    /// Where: file and line, or the variable.
    pub place: String,
}

/// What is set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// The strongest word on each key, in the order of [`KEYS`].
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
    /// [`ErrorKind::Usage`] with the place of what is no TOML, of a key that does not exist, and of a value that makes no sense.
    pub fn load(env: &Variables<'_>, checkout: &Path) -> Result<Settings> {
        let (files, absent) = places(env, checkout).into_iter().partition(|path| path.exists() || env(FILE).is_some());
        let mut settings = Settings { said: Vec::new(), files, absent };
        let mut found = BTreeMap::new();
        for path in &settings.files {
            found.extend(read(path)?.into_iter().map(|said| (said.key, said)));
        }
        for key in KEYS {
            let place = variable(key);
            if let Some(value) = env(&place).filter(|value| !value.is_empty()) {
                found.insert(key, SettingValue { key, value, place });
            }
        }
        for mut said in KEYS.iter().filter_map(|key| found.remove(key)) {
            if let (Some(rest), Some(home)) = (said.value.strip_prefix("~/"), env("HOME")) {
                said.value = format!("{}/{rest}", home.trim_end_matches('/'));
            }
            check(&said)?;
            settings.said.push(said);
        }
        Ok(settings)
    }

    /// Without what is about another kernel than the command line names.
    #[must_use]
    pub fn beside(mut self, matches: &ArgMatches) -> Self {
        let given = |id: &str| {
            matches.try_contains_id(id).is_ok_and(|there| there)
                && matches.value_source(id) == Some(ValueSource::CommandLine)
        };
        let is_commit = |kernel: &String| GitSpec::parse(kernel, Path::new(".")).is_some();
        let tree = given("kernel_tree");
        let commit = given("kernel") && matches.get_one::<String>("kernel").is_some_and(is_commit);
        self.said.retain(|said| match said.key {
            "kernel" => !tree && !given("tarball"),
            // A tree or a commit is tested as it is.
            "series" => !tree && !commit,
            _ => true,
        });
        self
    }

    /// The command line with these as its defaults.
    pub fn applied(&self, command: Command) -> Command {
        let name = command.get_name().to_string();
        let has = |option: &str| command.get_arguments().any(|arg| arg.get_long() == Some(option));
        let meant = |said: &&SettingValue| match said.key {
            "kernel" | "series" => has("kernel-tree"),
            "flavour" => has("kernel-tree") && !["coverage", "kselftest", "mutants"].contains(&name.as_str()),
            key => has(key),
        };
        let said: Vec<&SettingValue> = self.said.iter().filter(meant).collect();
        let command = said.into_iter().fold(command, |command, said| {
            command.mut_arg(said.key.replace('-', "_"), |arg| arg.default_value(said.value.clone()))
        });
        let below: Vec<String> = command.get_subcommands().map(|command| command.get_name().to_string()).collect();
        below.into_iter().fold(command, |command, name| command.mut_subcommand(name, |command| self.applied(command)))
    }
}

/// Where files are looked for, the strongest last.
pub fn places(env: &Variables<'_>, checkout: &Path) -> Vec<PathBuf> {
    if let Some(named) = env(FILE) {
        return if named.is_empty() || named == "none" { Vec::new() } else { vec![PathBuf::from(named)] };
    }
    let absolute = |name: &str| env(name).map(PathBuf::from).filter(|dir| dir.is_absolute());
    let config = absolute("XDG_CONFIG_HOME").or_else(|| Some(absolute("HOME")?.join(".config")));
    let own = config.map(|dir| dir.join("dmabuf-alias-conformance/config.toml"));
    own.into_iter().chain([checkout.join(IN_CHECKOUT)]).collect()
}

fn read(path: &Path) -> Result<Vec<SettingValue>> {
    let failed = |error| Error { kind: ErrorKind::Usage, ..io(&error, "reading", path) };
    let text = std::fs::read_to_string(path)
        .map_err(failed)
        .map_err(|error| error.next(format!("{FILE}=none reads no file.")))?;
    let place = |at: usize| format!("{}:{}", path.display(), text[..at].matches('\n').count() + 1);
    let table: BTreeMap<Spanned<String>, Value> = toml::from_str(&text).map_err(|error| {
        Error::new(ErrorKind::Usage, format!("{} is no TOML", place(error.span().map_or(0, |span| span.start))))
            .cause(error.message())
            .next("A setting is a line such as kernel = \"6.12\"; docs/configuration.md lists them.")
    })?;
    let said = |(name, value): (Spanned<String>, Value)| {
        let (at, name) = (place(name.span().start), name.into_inner());
        let Some(key) = KEYS.into_iter().find(|key| *key == name) else {
            let meant = near(&name, &KEYS).first().map(|meant| format!("Did you mean {meant}?"));
            return Err(Error::new(ErrorKind::Usage, format!("{at}: there is no setting {name}"))
                .next(meant.unwrap_or_else(|| format!("There are {}.", KEYS.join(", ")))));
        };
        let value = match value {
            Value::String(text) => text,
            Value::Integer(_) | Value::Boolean(_) => value.to_string(),
            other => {
                return Err(Error::new(ErrorKind::Usage, format!("{at}: {key} is no {}", other.type_str()))
                    .next("docs/configuration.md has an example of each setting; most are texts in quotation marks."));
            }
        };
        Ok(SettingValue { key, value, place: at })
    };
    table.into_iter().map(said).collect()
}

/// Has clap read the value, as the option of `cargo xtask test` that it is.
fn check(said: &SettingValue) -> Result<()> {
    let SettingValue { key, value, place } = said;
    let why = if *key == "no-install" {
        if matches!(value.as_str(), "true" | "false") { None } else { Some("it may be true or false".to_string()) }
    } else {
        let words = ["cargo xtask".to_string(), "test".to_string(), format!("--{key}={value}")];
        let wrong = Flags::command().try_get_matches_from(words).err();
        wrong.map(|error| {
            error.to_string().lines().take_while(|line| !line.starts_with("For more")).collect::<Vec<_>>().join("\n")
        })
    };
    why.map_or(Ok(()), |why| {
        Err(Error::new(ErrorKind::Usage, format!("{place}: {key} cannot be {value:?}"))
            .cause(why.trim_start_matches("error: ").trim_end())
            .next("docs/configuration.md has an example of each setting."))
    })
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
    said.iter().map(|said| format!("{} = {:?} is from {}", said.key, said.value, said.place)).collect()
}

#[cfg(test)]
mod tests;
