//! The SELinux policy of a flavour, compiled and stored beside the image.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{ErrorKind, Result, io};
use crate::host::process::Cmd;
use crate::kbuild::kconfig::Flavour;

/// File name of the compiled policy, beside the image.
pub const FILE: &str = "selinux.policy";
/// The policy that it was compiled from.
const SOURCE: &str = "selinux.cil";
/// The newest format that every kernel of kernels.toml reads (POLICYDB_VERSION_MAX in security/selinux/include/security.h).
const FORMAT: &str = "33";

/// Compiles the policy of the flavour, if it has one, into `dir`.
///
/// # Errors
/// [`ErrorKind::Build`] with what secilc says, [`ErrorKind::Host`].
pub fn keep(flavour: &Flavour, dir: &Path) -> Result<()> {
    let Some(policy) = &flavour.policy else { return Ok(()) };
    let source = dir.join(SOURCE);
    fs::write(&source, policy).map_err(|error| io(&error, "writing", &source))?;
    Cmd::new("secilc")
        // It would also write labels for the files of a disk.
        .args(["-c", FORMAT, "-f", "/dev/null", "-o"])
        .path(&dir.join(FILE))
        .path(&source)
        .succeed(ErrorKind::Build, "the SELinux policy does not compile")
        .map(drop)
}

/// The compiled policy of an image in `dir`, if it has one.
pub fn compiled(dir: &Path) -> Option<PathBuf> {
    Some(dir.join(FILE)).filter(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_flavour_selinux_has_selinux_and_a_policy() {
        let dir = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../kconfigs"));
        for name in ["sanitized", "fast", "race", "leak", "importers", "selinux"] {
            let flavour = Flavour::load(name, dir).unwrap();
            assert_eq!(flavour.asks_for("CONFIG_SECURITY"), name == "selinux", "{name}");
            assert_eq!(flavour.policy.is_some(), name == "selinux", "{name}");
        }
    }
}
