//! Kernel settings that a case may change. A case restores them itself; one that is killed cannot.

use std::fs;

/// The system-wide limit on open files.
pub const FILE_MAX: &str = "/proc/sys/fs/file-max";
/// The largest udmabuf in MiB, a parameter of its module.
pub const UDMABUF_LIMIT: &str = "/sys/module/udmabuf/parameters/size_limit_mb";

/// The settings before the first case.
#[derive(Debug, Default)]
pub struct SavedSettings(Vec<(&'static str, String)>);

impl SavedSettings {
    /// Reads them. Settings that this kernel does not have are ignored.
    pub fn remember() -> Self {
        let read = |path| Some((path, fs::read_to_string(path).ok()?));
        SavedSettings([FILE_MAX, UDMABUF_LIMIT].into_iter().filter_map(read).collect())
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
