//! Packs: a run in one file, so that another machine can repeat it without building anything.
//!
//! A pack is a gzip stream of a tar archive. Its first member is `manifest.json` ([`manifest::PackManifest`]), which says what it
//! is, how to boot it, what was recorded, and name, size and SHA-256 sum of every other member:
//!
//! | member | what |
//! |---|---|
//! | `kernel/vmlinux`, `kernel/System.map`, `kernel/config`, `kernel/facts.json` | the image, as in the cache |
//! | `kernel/vmlinux.debug` | what gdb reads, of a flavour with debug information |
//! | `guest/init` | the program that ran in the guests of the run |
//! | `report.json` | the report of the run, verdicts and transcripts included |
//! | `series/...` | the patches, as they were applied |
//! | `expectations/snapshots/...` | the reviewed transcripts |
//! | `expectations/known-defects.toml`, `expectations/suppressions.toml` | what is known and excused |
//!
//! The kernel's gdb scripts are not in it: they would run on the machine of whoever opens a pack, and not in a guest.
//!
//! Nothing in a pack is believed before it was compared with the manifest, and nothing is written that the manifest does not
//! name: see [`read`]. What cannot be read is the fault of the file, and an error of usage.

pub mod compare;
pub mod manifest;
pub mod read;
pub mod suite;
pub mod write;

/// Version of the format. Goes up when a reader of before would take a pack for something that it is not.
pub const VERSION: u32 = 1;
/// What a manifest calls itself.
pub const FORMAT: &str = "dmabuf-alias-conformance pack";
/// How the names of packs end.
pub const SUFFIX: &str = ".pack.tar.gz";

/// Names of members.
pub mod member {
    /// The kernel.
    pub const KERNEL: &str = "kernel/vmlinux";
    /// Its symbols.
    pub const SYSTEM_MAP: &str = "kernel/System.map";
    /// Its configuration.
    pub const CONFIG: &str = "kernel/config";
    /// The kernel with its debug information, where it was built with some.
    pub const DEBUG: &str = "kernel/vmlinux.debug";
    /// What is known about the image.
    pub const FACTS: &str = "kernel/facts.json";
    /// The guest program.
    pub const GUEST: &str = "guest/init";
    /// The directory of the patches, as they were applied.
    pub const SERIES: &str = "series";
    /// The report of the run.
    pub const REPORT: &str = "report.json";
    /// The directory of the reviewed transcripts.
    pub const SNAPSHOTS: &str = "expectations/snapshots";
    /// Defects that kernels are known to have.
    pub const KNOWN_DEFECTS: &str = "expectations/known-defects.toml";
    /// Complaints that are excused.
    pub const ALLOWED: &str = "expectations/suppressions.toml";
    /// What no pack is without.
    pub const NEEDED: [&str; 8] = [KERNEL, SYSTEM_MAP, CONFIG, FACTS, GUEST, REPORT, KNOWN_DEFECTS, ALLOWED];
}

#[cfg(test)]
mod tests;
