//! Packs: a run in one file, so that another machine can repeat it without building anything.
//!
//! A pack is a tar archive compressed with gzip. Its first member is `manifest.json` ([`manifest::PackManifest`]), with the
//! kernel, how to boot it, the cases, and name, size and SHA-256 sum of every other member:
//!
//! | member | what |
//! |---|---|
//! | `kernel/vmlinux`, `kernel/System.map`, `kernel/config`, `kernel/facts.json` | the image, as in the cache |
//! | `kernel/vmlinux.debug` | debug information for gdb, if the flavour has it |
//! | `kernel/selinux.policy` | the SELinux policy, if the flavour has one |
//! | `guest/init` | the guest program of the run |
//! | `report.json` | the report of the run, with verdicts and transcripts |
//! | `series/...` | the patches as applied |
//! | `expectations/snapshots/...` | the reviewed transcripts |
//! | `expectations/known-defects.toml`, `expectations/suppressions.toml` | known defects and suppressions |
//!
//! The kernel's gdb scripts are not in it, because they would run on the host and not in a guest.
//!
//! A pack is not trusted: every member is compared with the manifest, and only members that it names are written; see [`read`].
//! An invalid pack is a usage error.

pub mod compare;
pub mod manifest;
pub mod read;
pub mod suite_version;
pub mod write;

/// Version of the format. It is raised when an older reader would misunderstand a pack.
pub const VERSION: u32 = 1;
/// The format field of the manifest.
pub const FORMAT: &str = "dmabuf-alias-conformance pack";
/// File name suffix of packs.
pub const SUFFIX: &str = ".pack.tar.gz";

/// Names of members.
pub mod member {
    /// The kernel.
    pub const KERNEL: &str = "kernel/vmlinux";
    /// Its symbols.
    pub const SYSTEM_MAP: &str = "kernel/System.map";
    /// Its configuration.
    pub const CONFIG: &str = "kernel/config";
    /// The kernel with debug information, if it was built with it.
    pub const DEBUG: &str = "kernel/vmlinux.debug";
    /// The SELinux policy that guests load, if there is one.
    pub const POLICY: &str = "kernel/selinux.policy";
    /// Facts about the image.
    pub const FACTS: &str = "kernel/facts.json";
    /// The guest program.
    pub const GUEST: &str = "guest/init";
    /// The directory of the patches as applied.
    pub const SERIES: &str = "series";
    /// The report of the run.
    pub const REPORT: &str = "report.json";
    /// The directory of the reviewed transcripts.
    pub const SNAPSHOTS: &str = "expectations/snapshots";
    /// Known defects of kernels.
    pub const KNOWN_DEFECTS: &str = "expectations/known-defects.toml";
    /// Suppressed complaints.
    pub const ALLOWED: &str = "expectations/suppressions.toml";
    /// Members that every pack has.
    pub const NEEDED: [&str; 8] = [KERNEL, SYSTEM_MAP, CONFIG, FACTS, GUEST, REPORT, KNOWN_DEFECTS, ALLOWED];
}

#[cfg(test)]
mod tests;
