//! virtme-ng: the one on PATH, or one from PyPI in the cache, in the version and with the sums of `xtask/virtme-ng.txt`.

use std::path::{Path, PathBuf};

use harness::error::{Context, Error, ErrorKind, Result};
use harness::host::machine::Machine;
use harness::host::process::Cmd;
use harness::host::store::Store;
use harness::host::store::manifest::sha256_of;

const PINS: &str = include_str!("../../../virtme-ng.txt");
/// Older ones were not tried.
const MINIMUM: (u32, u32) = (1, 42);

/// How a person installs it.
const BY_HAND: &str = "Install it yourself, with one of\npipx install virtme-ng\npython3 -m pip install --user virtme-ng\n\
                       apt-get install virtme-ng     (where the distribution has 1.42 or later)";

/// An installed virtme-ng.
#[derive(Debug)]
pub struct Virtme {
    program: PathBuf,
    /// Where its modules are, if Python does not know.
    modules: Option<PathBuf>,
}

impl Virtme {
    /// Finds it, or installs it into the cache.
    ///
    /// # Errors
    /// [`ErrorKind::Host`] when it can neither be found nor had, with how to install it.
    pub fn provide(machine: &Machine, store: &Store, no_install: bool) -> Result<Self> {
        if let Some(found) = on_path(machine) {
            return Ok(found);
        }
        let key = format!("virtme-ng-{}", &sha256_of(PINS.as_bytes())[..12]);
        let installed = |dir: PathBuf| Virtme { program: dir.join("bin/vng"), modules: Some(dir) };
        if let Some(dir) = store.entry("tools", &key) {
            return Ok(installed(dir));
        }
        let missing = |why: &str| {
            Error::new(ErrorKind::Host, format!("virtme-ng {}.{} is not on this machine", MINIMUM.0, MINIMUM.1))
                .cause(why)
                .next(BY_HAND)
        };
        if no_install {
            return Err(missing("it is not installed into the cache either, because of --no-install"));
        }
        if machine.program("python3").is_none() {
            return Err(missing("it cannot be installed into the cache: there is no python3"));
        }
        let task = store.progress().task("installing virtme-ng into the cache", None);
        let dir = store.publish("tools", &key, |dir| {
            let pins = dir.join("requirements.txt");
            std::fs::write(&pins, PINS).context(ErrorKind::Host, || format!("writing {}", pins.display()))?;
            // Wheels only: nothing of the package runs here before its sum was checked.
            let words =
                "-m pip install --quiet --disable-pip-version-check --no-deps --only-binary :all: --require-hashes";
            let pip = machine.cmd("python3").args(words.split(' ')).arg("--target").path(dir).arg("-r").path(&pins);
            pip.succeed(ErrorKind::Host, "pip failed").map_err(|error| missing(&error.cause)).map(drop)
        })?;
        task.done("done");
        Ok(installed(dir))
    }

    /// The command, without arguments.
    pub fn cmd(&self, machine: &Machine) -> Cmd {
        let cmd = machine.cmd(&self.program.to_string_lossy());
        let Some(dir) = &self.modules else { return cmd };
        // It calls other programs of its own by their names.
        let path = [dir.join("bin").into_os_string(), machine.path.clone()].join(std::ffi::OsStr::new(":"));
        cmd.env("PYTHONPATH", dir.to_string_lossy()).env("PATH", path.to_string_lossy())
    }

    /// Where it is, for a person.
    pub fn path(&self) -> &Path {
        &self.program
    }
}

fn on_path(machine: &Machine) -> Option<Virtme> {
    let program = machine.program("vng")?;
    let said = machine.cmd("vng").arg("--version").run().ok()?.text;
    (version(&said)? >= MINIMUM).then_some(Virtme { program, modules: None })
}

/// `virtme-ng 1.42`, or with more behind it.
fn version(said: &str) -> Option<(u32, u32)> {
    let number = said.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit()))?;
    let mut parts = number.split(|c: char| !c.is_ascii_digit());
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_read_with_whatever_comes_behind_it() {
        assert_eq!(version("virtme-ng 1.42\n"), Some((1, 42)));
        assert_eq!(version("virtme-ng 1.100+115-g1234567"), Some((1, 100)));
        assert!(version("virtme-ng 1.9") < Some(MINIMUM));
        assert_eq!(version("command not found"), None);
    }

    #[test]
    fn the_pinned_version_is_one_that_would_do() {
        let line = PINS.lines().find(|line| line.starts_with("virtme-ng==")).unwrap();
        assert!(version(&line.replace("==", " ")) >= Some(MINIMUM));
        let pins = PINS.lines().filter(|line| !line.starts_with('#'));
        assert!(pins.clone().all(|line| line.contains("==") && line.contains(" --hash=sha256:")));
    }
}
