//! What can be set: options whose defaults a person may choose.

/// An option with a default that can be set.
#[derive(Debug, PartialEq, Eq)]
pub struct Key {
    /// Its name in the file, which is that of the option.
    pub name: &'static str,
    /// Commands with the option that have a default of their own.
    pub not_for: &'static [&'static str],
    /// Whether it only makes sense where a kernel can be chosen.
    pub of_kernels: bool,
    /// An example in the manual.
    pub example: &'static str,
    /// What it does, for the manual.
    pub about: &'static str,
}

/// The key that says where things are kept, and has no influence on what is found out.
pub const CACHE: &str = "cache";

const KERNEL: Key = Key { name: "", not_for: &[], of_kernels: true, example: "", about: "" };
const ANY: Key = Key { of_kernels: false, ..KERNEL };

/// All of them, in the order of the manual.
pub const KEYS: &[Key] = &[
    Key {
        name: "kernel",
        example: "\"6.12\"",
        about: "the kernel that is tested, unless --kernel-tree or --tarball names one",
        ..KERNEL
    },
    Key {
        name: "series",
        example: "\"~/my-series\"",
        about: "the series, on kernels of kernels.toml; your own trees and commits are tested as they are",
        ..KERNEL
    },
    Key {
        name: "flavour",
        not_for: &["coverage", "kselftest", "mutants"],
        example: "\"fast\"",
        about: "the kernel configuration; `coverage`, `kselftest` and `mutants` have their own",
        ..KERNEL
    },
    Key { name: "accel", example: "\"tcg\"", about: "how the guests' processors are run", ..ANY },
    Key { name: "no-install", example: "true", about: "install nothing; print the command that would", ..ANY },
    Key { name: "color", example: "\"never\"", about: "when to colour", ..ANY },
    Key {
        name: CACHE,
        example: "\"/big/disk/conformance\"",
        about: "directory for sources, objects and kernels; 6 GB for one kernel",
        ..ANY
    },
    Key { name: "keep-runs", example: "10", about: "runs that are kept whatever the next two say: the newest", ..ANY },
    Key { name: "keep-days", example: "60", about: "runs that are older are removed when another one begins", ..ANY },
    Key {
        name: "keep-size",
        example: "\"2GB\"",
        about: "the oldest runs are removed as long as all take more than this",
        ..ANY
    },
];

impl Key {
    /// The key of a name.
    pub fn find(name: &str) -> Option<&'static Key> {
        KEYS.iter().find(|key| key.name == name)
    }

    /// The variable of the environment that sets it.
    pub fn variable(&self) -> String {
        format!("CONFORMANCE_{}", self.name.to_uppercase().replace('-', "_"))
    }
}
