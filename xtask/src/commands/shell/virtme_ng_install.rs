//! virtme-ng: from PATH, or installed from PyPI into the cache, with the version and hashes of `xtask/virtme-ng.txt`.

use std::path::{Path, PathBuf};

use harness::error::{Context, Error, ErrorKind, Result};
use harness::host::machine::Machine;
use harness::host::process::Cmd;
use harness::host::store::Store;
use harness::host::store::manifest::sha256_of;

const PINS: &str = include_str!("../../../virtme-ng.txt");
/// Older versions were not tested.
const MINIMUM: (u32, u32) = (1, 42);

/// How to install it by hand.
const BY_HAND: &str = "Install it with one of\npipx install virtme-ng\npython3 -m pip install --user virtme-ng\n\
                       apt-get install virtme-ng     (where the distribution has 1.42 or later)";

/// An installed virtme-ng.
#[derive(Debug)]
pub struct VirtmeNg {
    program: PathBuf,
    /// The directory of its modules, if it is not one where Python looks.
    modules: Option<PathBuf>,
}

impl VirtmeNg {
    /// Finds it, or installs it into the cache.
    ///
    /// # Errors
    /// [`ErrorKind::Host`] when it is neither found nor can be installed.
    pub fn provide(machine: &Machine, store: &Store, no_install: bool) -> Result<Self> {
        if let Some(found) = VirtmeNg::at_hand(machine, store) {
            return Ok(found);
        }
        let missing = |why: &str| {
            Error::new(ErrorKind::Host, format!("virtme-ng {}.{} or later is not installed", MINIMUM.0, MINIMUM.1))
                .cause(why)
                .next(BY_HAND)
        };
        if no_install {
            return Err(missing("--no-install forbids installing it into the cache"));
        }
        if machine.program("python3").is_none() {
            return Err(missing("it cannot be installed into the cache because python3 is missing"));
        }
        let task = store.progress().task("installing virtme-ng into the cache", None);
        let dir = store.publish("tools", &key(), |dir| {
            let pins = dir.join("requirements.txt");
            std::fs::write(&pins, PINS).context(ErrorKind::Host, || format!("writing {}", pins.display()))?;
            // Only wheels: a source package could run code before its hash is checked.
            let words =
                "-m pip install --quiet --disable-pip-version-check --no-deps --only-binary :all: --require-hashes";
            let pip = machine.cmd("python3").args(words.split(' ')).arg("--target").path(dir).arg("-r").path(&pins);
            pip.succeed(ErrorKind::Host, "pip failed").map_err(|error| missing(&error.cause)).map(drop)
        })?;
        task.done("done");
        Ok(VirtmeNg::in_cache(dir))
    }

    /// The one on PATH or in the cache, without installing anything.
    pub fn at_hand(machine: &Machine, store: &Store) -> Option<Self> {
        on_path(machine).or_else(|| store.entry("tools", &key()).map(VirtmeNg::in_cache))
    }

    fn in_cache(dir: PathBuf) -> Self {
        VirtmeNg { program: dir.join("bin/vng"), modules: Some(dir) }
    }

    /// The command, without arguments.
    pub fn cmd(&self, machine: &Machine) -> Cmd {
        let cmd = machine.cmd(&self.program.to_string_lossy());
        let Some(dir) = &self.modules else { return cmd };
        // It looks up its helper programs in PATH.
        let path = [dir.join("bin").into_os_string(), machine.path.clone()].join(std::ffi::OsStr::new(":"));
        cmd.env("PYTHONPATH", dir.to_string_lossy()).env("PATH", path.to_string_lossy())
    }

    /// The path of the program.
    pub fn path(&self) -> &Path {
        &self.program
    }
}

/// The key of what is installed into the cache.
fn key() -> String {
    format!("virtme-ng-{}", &sha256_of(PINS.as_bytes())[..12])
}

fn on_path(machine: &Machine) -> Option<VirtmeNg> {
    let program = machine.program("vng")?;
    let output = machine.cmd("vng").arg("--version").run().ok()?.text;
    (version(&output)? >= MINIMUM).then_some(VirtmeNg { program, modules: None })
}

/// Parses `virtme-ng 1.42`, with or without a suffix.
fn version(output: &str) -> Option<(u32, u32)> {
    let number = output.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit()))?;
    let mut parts = number.split(|c: char| !c.is_ascii_digit());
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_parsed_with_or_without_a_suffix() {
        assert_eq!(version("virtme-ng 1.42\n"), Some((1, 42)));
        assert_eq!(version("virtme-ng 1.100+115-g1234567"), Some((1, 100)));
        assert!(version("virtme-ng 1.9") < Some(MINIMUM));
        assert_eq!(version("command not found"), None);
    }

    #[test]
    fn the_pinned_version_is_new_enough_and_has_hashes() {
        let line = PINS.lines().find(|line| line.starts_with("virtme-ng==")).unwrap();
        assert!(version(&line.replace("==", " ")) >= Some(MINIMUM));
        let pins = PINS.lines().filter(|line| !line.starts_with('#'));
        assert!(pins.clone().all(|line| line.contains("==") && line.contains(" --hash=sha256:")));
    }
}
