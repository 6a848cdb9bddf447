//! Kernel settings that a case may change. A case restores them itself; one that is killed cannot.

use std::fs;

/// The system-wide limit on open files.
pub const FILE_MAX: &str = "/proc/sys/fs/file-max";

/// The settings before the first case.
#[derive(Debug, Default)]
pub struct SavedSettings(Vec<(&'static str, String)>);

impl SavedSettings {
    /// Reads them. Settings that this kernel does not have are ignored.
    pub fn remember() -> Self {
        SavedSettings([FILE_MAX].into_iter().filter_map(|path| Some((path, fs::read_to_string(path).ok()?))).collect())
    }

    /// Restores changed settings.
    pub fn restore(&self) {
        for (path, value) in &self.0 {
            if fs::read_to_string(path).ok().as_ref() != Some(value) {
                let _ = fs::write(path, value);
            }
        }
    }
}
