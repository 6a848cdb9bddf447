//! Defaults that the user has set. From strong to weak: command line, environment, file in the checkout, file in the home
//! directory. They become defaults of clap's options, so that clap parses the values and help shows them. Clap's own `env` is
//! not used because it treats a variable like an option on the command line, which conflicts with other options.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use clap::parser::ValueSource;
use clap::{ArgMatches, Command, CommandFactory};
use harness::error::{Error, ErrorKind, Result, io};
use harness::host::similar_names::similar_names;
use harness::source::git_spec::GitSpec;
use toml::{Spanned, Value};

use crate::flags::{Flags, Global};
use crate::run::run_directory::Keep;

/// Options whose default can be set; docs/configuration.md says what each does.
pub const KEYS: [&str; 10] =
    ["kernel", "series", "flavour", "accel", "no-install", "color", CACHE, "keep-runs", "keep-days", "keep-size"];
/// The only setting that cannot affect a result.
pub const CACHE: &str = "cache";
/// In the checkout; git ignores it.
pub const IN_CHECKOUT: &str = "conformance.toml";
/// Names the only file to read; `none` for no file.
pub const FILE: &str = "CONFORMANCE_CONFIG";

/// Looks up an environment variable.
pub type Variables<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// The environment variable that sets an option.
pub fn variable(key: &str) -> String {
    format!("CONFORMANCE_{}", key.to_uppercase().replace('-', "_"))
}

/// A value, and where it was set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingValue {
    /// One of [`KEYS`].
    pub key: &'static str,
    /// Its value.
    pub value: String,
    /// Where it was set: file and line, or the variable.
    pub place: String,
}

/// All settings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// The strongest value of each key, in the order of [`KEYS`].
    pub values: Vec<SettingValue>,
    /// Files that were read.
    pub files: Vec<PathBuf>,
    /// Files that would have been read if they existed.
    pub absent: Vec<PathBuf>,
}

impl Settings {
    /// Reads files and environment, and checks every value with clap.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] with the place of invalid TOML, an unknown key or an invalid value.
    pub fn load(env: &Variables<'_>, checkout: &Path) -> Result<Settings> {
        let (files, absent) = places(env, checkout).into_iter().partition(|path| path.exists() || env(FILE).is_some());
        let mut settings = Settings { values: Vec::new(), files, absent };
        let mut found = BTreeMap::new();
        for path in &settings.files {
            found.extend(read(path)?.into_iter().map(|setting| (setting.key, setting)));
        }
        for key in KEYS {
            let place = variable(key);
            if let Some(value) = env(&place).filter(|value| !value.is_empty()) {
                found.insert(key, SettingValue { key, value, place });
            }
        }
        for mut setting in KEYS.iter().filter_map(|key| found.remove(key)) {
            if let (Some(rest), Some(home)) = (setting.value.strip_prefix("~/"), env("HOME")) {
                setting.value = format!("{}/{rest}", home.trim_end_matches('/'));
            }
            check(&setting)?;
            settings.values.push(setting);
        }
        Ok(settings)
    }

    /// Without settings that the kernel on the command line makes meaningless.
    #[must_use]
    pub fn beside(mut self, matches: &ArgMatches) -> Self {
        let given = |id: &str| {
            matches.try_contains_id(id).is_ok_and(|there| there)
                && matches.value_source(id) == Some(ValueSource::CommandLine)
        };
        let is_commit = |kernel: &String| GitSpec::parse(kernel, Path::new(".")).is_some();
        let tree = given("kernel_tree");
        let commit = given("kernel") && matches.get_one::<String>("kernel").is_some_and(is_commit);
        self.values.retain(|setting| match setting.key {
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
        let applies = |setting: &&SettingValue| match setting.key {
            // `cargo xtask series` tries a kernel only if one is named.
            "kernel" => has("kernel-tree") && name != "series",
            "series" => has("kernel-tree") && has("series"),
            "flavour" => {
                has("kernel-tree") && has("flavour") && !["coverage", "kselftest", "mutants"].contains(&name.as_str())
            }
            key => has(key),
        };
        let values: Vec<&SettingValue> = self.values.iter().filter(applies).collect();
        let command = values.into_iter().fold(command, |command, setting| {
            command.mut_arg(setting.key.replace('-', "_"), |arg| arg.default_value(setting.value.clone()))
        });
        let below: Vec<String> = command.get_subcommands().map(|command| command.get_name().to_string()).collect();
        below.into_iter().fold(command, |command, name| command.mut_subcommand(name, |command| self.applied(command)))
    }
}

/// The files to read, the strongest last.
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
        .map_err(|error| error.next(format!("Set {FILE}=none to read no file.")))?;
    let place = |at: usize| format!("{}:{}", path.display(), text[..at].matches('\n').count() + 1);
    let table: BTreeMap<Spanned<String>, Value> = toml::from_str(&text).map_err(|error| {
        Error::new(ErrorKind::Usage, format!("{} is not valid TOML", place(error.span().map_or(0, |span| span.start))))
            .cause(error.message())
            .next("A setting is a line such as kernel = \"6.12\"; docs/configuration.md lists them.")
    })?;
    let setting = |(name, value): (Spanned<String>, Value)| {
        let (at, name) = (place(name.span().start), name.into_inner());
        let Some(key) = KEYS.into_iter().find(|key| *key == name) else {
            let similar = similar_names(&name, &KEYS).first().map(|similar| format!("Did you mean {similar}?"));
            return Err(Error::new(ErrorKind::Usage, format!("{at}: there is no setting {name}"))
                .next(similar.unwrap_or_else(|| format!("The settings are {}.", KEYS.join(", ")))));
        };
        let value = match value {
            Value::String(text) => text,
            Value::Integer(_) | Value::Boolean(_) => value.to_string(),
            other => {
                return Err(Error::new(ErrorKind::Usage, format!("{at}: {key} cannot be a TOML {}", other.type_str()))
                    .next(
                        "docs/configuration.md has an example of each setting; most are strings in quotation marks.",
                    ));
            }
        };
        Ok(SettingValue { key, value, place: at })
    };
    table.into_iter().map(setting).collect()
}

/// Checks a value by passing it to clap as an option of `cargo xtask test`.
fn check(setting: &SettingValue) -> Result<()> {
    let SettingValue { key, value, place } = setting;
    let why = if *key == "no-install" {
        if matches!(value.as_str(), "true" | "false") { None } else { Some("it can be true or false".to_string()) }
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

/// Stores the global options, and the settings that errors mention. Only the first call has an effect.
pub fn put_in_force(global: &Global, settings: Settings) {
    let _ = IN_FORCE.set((global.clone(), settings));
}

/// The cache directory, if it is set.
pub fn cache() -> Option<PathBuf> {
    IN_FORCE.get()?.0.cache.clone()
}

/// Which runs are kept when another one begins.
pub fn keep() -> Keep {
    IN_FORCE.get().map_or_else(Keep::default, |(global, _)| global.keep())
}

/// The settings from files and the environment, one line each.
pub fn elsewhere() -> Vec<String> {
    let values = IN_FORCE.get().map(|(_, settings)| settings.values.as_slice()).unwrap_or_default();
    values.iter().map(|setting| format!("{} = {:?} is from {}", setting.key, setting.value, setting.place)).collect()
}

#[cfg(test)]
mod tests;
