//! The manifest of a pack, which is its first member.

use std::collections::BTreeMap;
use std::path::{Component, Path};

use cases::protocol::CaseKey;
use serde::{Deserialize, Serialize};

use super::suite_version::SuiteVersion;
use super::{FORMAT, VERSION, member};
use crate::host::store::manifest::StoredFile;

/// Its name within the archive.
pub const FILE: &str = "manifest.json";
/// Maximum size of a manifest, in bytes. A real one has about 100 kB.
pub const LARGEST: u64 = 8 << 20;
/// Maximum unpacked size of all members, in bytes. A kernel with debug information has 300 MB.
const LARGEST_TOTAL: u64 = 4 << 30;

/// Describes a pack and its members.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PackManifest {
    /// [`FORMAT`].
    pub format: String,
    /// [`VERSION`].
    pub version: u32,
    /// The kernel and how it was built.
    pub identity: PackIdentity,
    /// The suite that made the pack.
    pub suite: SuiteVersion,
    /// How its guests were booted.
    pub boot: Boot,
    /// The cases that are run by default.
    pub cases: Vec<CaseKey>,
    /// Every other member.
    pub members: BTreeMap<String, StoredFile>,
}

/// The kernel of a pack, with the field names of [`crate::report::run_report::RunSetting`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackIdentity {
    /// Id of the kernel, as in kernels.toml.
    pub kernel: String,
    /// Version of the kernel tree.
    pub version: String,
    /// Where the source came from.
    pub origin: String,
    /// Name of the series.
    pub series: String,
    /// Flavour of the configuration.
    pub flavour: String,
    /// Key of the image in the cache.
    pub image: String,
    /// First line of `gcc --version`.
    pub compiler: String,
    /// The kernel that the shared snapshots come from.
    pub reference: String,
    /// The command that builds the kernel and repeats the run.
    pub command: String,
}

/// How guests are booted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Boot {
    /// The kernel's command line.
    pub command_line: String,
    /// The command line of QEMU for the first guest of the run; for people.
    pub qemu: String,
    /// KVM or emulation, and why.
    pub accel: String,
}

/// What is wrong with a manifest.
#[derive(Debug, PartialEq, Eq)]
pub enum ManifestError {
    /// It is not a manifest of this suite.
    Foreign(String),
    /// A later version of this program made it.
    Newer(u32),
    /// It is damaged.
    Damaged(String),
}

/// The fields that every version has.
#[derive(Deserialize)]
struct Head {
    format: String,
    version: u32,
}

impl PackManifest {
    /// Parses and checks a manifest. [`super::read`] compares it with the members.
    ///
    /// # Errors
    /// [`ManifestError`].
    pub fn parse(text: &[u8]) -> Result<PackManifest, ManifestError> {
        let head: Head = serde_json::from_slice(text)
            .map_err(|error| ManifestError::Foreign(format!("its {FILE} is not from this program: {error}")))?;
        if head.format != FORMAT {
            return Err(ManifestError::Foreign(format!("its {FILE} has format {:?}", shortened(&head.format))));
        }
        if head.version > VERSION {
            return Err(ManifestError::Newer(head.version));
        }
        let manifest: PackManifest = serde_json::from_slice(text)
            .map_err(|error| ManifestError::Damaged(format!("its {FILE} is invalid: {error}")))?;
        if manifest.texts().any(|text| text.chars().any(char::is_control)) {
            return Err(ManifestError::Damaged(format!("its {FILE} contains control characters")));
        }
        let names = &manifest.members;
        let is_directory = |name: &String| names.keys().any(|other| other.starts_with(&format!("{name}/")));
        if let Some(name) = names.keys().find(|name| !is_plain(name) || is_directory(name)) {
            return Err(ManifestError::Foreign(format!("its member name {:?} is not allowed", shortened(name))));
        }
        if let Some(name) = member::NEEDED.iter().find(|name| !manifest.members.contains_key(**name)) {
            return Err(ManifestError::Damaged(format!("its {FILE} lacks {name}")));
        }
        let sizes = manifest.members.values().try_fold(0u64, |sum, facts| sum.checked_add(facts.size));
        if sizes.is_none_or(|sum| sum > LARGEST_TOTAL) {
            return Err(ManifestError::Foreign(format!(
                "its members have more than {} GiB according to {FILE}",
                LARGEST_TOTAL >> 30
            )));
        }
        Ok(manifest)
    }

    /// All texts that may be shown on a terminal.
    fn texts(&self) -> impl Iterator<Item = &String> {
        let PackIdentity { kernel, version, origin, series, flavour, image, compiler, reference, command } =
            &self.identity;
        let identity = [kernel, version, origin, series, flavour, image, compiler, reference, command];
        let boot = [&self.boot.command_line, &self.boot.qemu, &self.boot.accel];
        let suite = std::iter::once(&self.suite.version).chain(&self.suite.commit);
        let rules = self.suite.catalogue.iter().map(|rule| &rule.key.0);
        identity.into_iter().chain(boot).chain(suite).chain(rules).chain(self.cases.iter().map(|key| &key.0))
    }
}

/// Whether a name is a relative path that stays within a directory, on any system.
fn is_plain(name: &str) -> bool {
    let path = Path::new(name);
    let plain = |part: Component<'_>| matches!(part, Component::Normal(_));
    let tidy = path.components().map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/") == name;
    let printable = name.chars().all(|c| c.is_ascii_graphic() && c != '\\');
    tidy && printable && !name.is_empty() && name != FILE && path.components().all(plain)
}

/// An untrusted text, shortened for a message.
pub(super) fn shortened(text: &str) -> String {
    text.chars().take(80).collect()
}
