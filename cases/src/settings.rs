//! SavedSettings of the whole kernel that a case may change. A case puts them back itself; one that is killed cannot.

use std::fs;

/// The system-wide limit on open files. At 0 hardly any case without privileges could work.
pub const FILE_MAX: &str = "/proc/sys/fs/file-max";

/// What the settings were before the first case.
#[derive(Debug, Default)]
pub struct SavedSettings(Vec<(&'static str, String)>);

impl SavedSettings {
    /// Reads them; those that this kernel does not have are left out.
    pub fn remember() -> Self {
        SavedSettings([FILE_MAX].into_iter().filter_map(|path| Some((path, fs::read_to_string(path).ok()?))).collect())
    }

    /// Puts back what is not as it was.
    pub fn restore(&self) {
        for (path, value) in &self.0 {
            if fs::read_to_string(path).ok().as_ref() != Some(value) {
                let _ = fs::write(path, value);
            }
        }
    }
}
