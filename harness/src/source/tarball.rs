//! A kernel tree from a tarball.

use std::path::Path;

use super::{SourceTree, cached, keep, unpack};
use crate::error::{Error, ErrorKind, Result};
use crate::host::process::check_interrupt;
use crate::host::progress::Progress;
use crate::host::store::Store;
use crate::host::store::manifest::sha256;

/// The sum is the key, so for a tree in the cache the file is not needed. If `wanted` is None, the computed sum is used and
/// printed.
pub fn provide(path: &Path, wanted: Option<&str>, store: &Store, progress: &Progress) -> Result<SourceTree> {
    let key = |sum: &str| format!("tarball-{}", &sum[..sum.len().min(24)]);
    let wanted = wanted.map(str::to_lowercase);
    if let Some(tree) = wanted.as_ref().and_then(|sum| cached(store, &key(sum))) {
        return Ok(tree);
    }
    let name = path.display().to_string();
    let (file, len) = unpack::open(path)?;
    let task = progress.bytes(&format!("checking {name}"), Some(len));
    let found = sha256(path, |more| {
        task.inc(more);
        check_interrupt()
    })?;
    match &wanted {
        Some(wanted) if found != *wanted => {
            return Err(Error::new(ErrorKind::Source, format!("{name} has another SHA-256 sum"))
                .cause(format!("sha256 wanted {wanted}\nsha256 found  {found}"))
                .next("If it is damaged, fetch it again. If it is another release, correct the sha256."));
        }
        Some(_) => task.done("sha256 matches"),
        None => task.done(format!("sha256 {found}")),
    }
    let key = key(&found);
    if let Some(tree) = cached(store, &key) {
        return Ok(tree);
    }
    let origin = format!("the tarball {name}, sha256 {}", &found[..12]);
    keep(store, &key, &origin, &name, |dir| {
        let task = progress.bytes(&format!("unpacking {name}"), Some(len));
        unpack::extract(file, &name, dir, &task)?;
        task.done("unpacked");
        Ok(())
    })
}
