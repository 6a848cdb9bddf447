//! The user's own kernel tree. It is never written to.

use std::path::Path;

use super::{SourceTree, kernel_version, looks_like_a_kernel};
use crate::error::{Error, ErrorKind, Result};
use crate::host::store::manifest::sha256_of;

/// The key depends only on the path. The contents may change between two runs, so the build has to compare them.
pub fn provide(dir: &Path) -> Result<SourceTree> {
    let missing = |error: std::io::Error| {
        Error::new(ErrorKind::Source, format!("there is no directory {}", dir.display()))
            .cause(error)
            .next("--kernel-tree takes the directory of a kernel source.")
    };
    let dir = dir.canonicalize().map_err(missing)?;
    looks_like_a_kernel(&dir, &dir.display().to_string())?;
    let sum = sha256_of(dir.as_os_str().as_encoded_bytes());
    Ok(SourceTree {
        key: format!("directory-{}", &sum[..16]),
        version: kernel_version(&dir)?,
        origin: format!("the directory {}", dir.display()),
        pristine: false,
        dir,
    })
}
