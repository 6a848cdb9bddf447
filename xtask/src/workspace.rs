//! Paths of this checkout.

use std::path::{Path, PathBuf};

/// The root of the workspace.
pub fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest).to_path_buf()
}

/// kernels.toml.
pub fn kernels() -> PathBuf {
    root().join("kernels.toml")
}

/// Patch series by name.
pub fn patches() -> PathBuf {
    root().join("patches")
}

/// Kconfig fragments.
pub fn kconfigs() -> PathBuf {
    root().join("kconfigs")
}

/// Sources of the in-kernel test importer and its parts.
pub fn overlay() -> PathBuf {
    root().join("cases/kernel")
}

/// Reviewed transcripts.
pub fn snapshots() -> PathBuf {
    root().join("cases/snapshots")
}

/// Recordings and reports of runs.
pub fn runs() -> PathBuf {
    target().join("conformance")
}

/// The catalogue of mutants, and the list of equivalent ones.
pub fn mutants() -> PathBuf {
    root().join("mutants")
}

/// The reviewed table of importers.
pub fn reviewed_importers() -> PathBuf {
    root().join("importers/reviewed.tsv")
}

/// Cargo's target directory.
pub fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}
