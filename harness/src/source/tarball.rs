//! A packed kernel tree with a known sum.

use std::path::Path;

use super::{SourceTree, cached, keep, unpack};
use crate::error::{Error, ErrorKind, Result};
use crate::host::process::check_interrupt;
use crate::host::progress::Progress;
use crate::host::store::Store;
use crate::host::store::manifest::sha256;

/// The sum names the contents, so a tree that is in the cache needs no look at the file, which may be gone. Where no sum is
/// asked for, that of the file is taken, and said.
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
            return Err(Error::new(ErrorKind::Source, format!("{name} is not the tarball that was asked for"))
                .cause(format!("sha256 wanted {wanted}\nsha256 found  {found}"))
                .next("Fetch it again if it is damaged; correct the sha256 if it is another release."));
        }
        Some(_) => task.done("sha256 as asked for"),
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
