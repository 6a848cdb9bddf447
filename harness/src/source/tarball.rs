//! A packed kernel tree with a known sum.

use std::path::Path;

use super::{SourceTree, cached, keep, unpack};
use crate::error::{Blame, Error, Result};
use crate::process::check_interrupt;
use crate::progress::Progress;
use crate::store::Store;
use crate::store::manifest::sha256;

/// The sum names the contents, so a tree that is in the cache needs no look at the file, which may be gone.
pub fn provide(path: &Path, wanted: &str, store: &Store, progress: &Progress) -> Result<SourceTree> {
    let wanted = wanted.to_lowercase();
    let key = format!("tarball-{}", &wanted[..wanted.len().min(24)]);
    if let Some(tree) = cached(store, &key) {
        return Ok(tree);
    }
    let name = path.display().to_string();
    let (file, len) = unpack::open(path)?;
    let task = progress.bytes(&format!("checking {name}"), Some(len));
    let found = sha256(path, |more| {
        task.inc(more);
        check_interrupt()
    })?;
    if found != wanted {
        return Err(Error::new(Blame::Source, format!("{name} is not the tarball that was asked for"))
            .cause(format!("sha256 wanted {wanted}\nsha256 found  {found}"))
            .next("Fetch it again if it is damaged; correct the sha256 if it is another release."));
    }
    task.done("sha256 as asked for");
    let origin = format!("the tarball {name}, sha256 {}", &wanted[..wanted.len().min(12)]);
    keep(store, &key, &origin, &name, |dir| {
        let task = progress.bytes(&format!("unpacking {name}"), Some(len));
        unpack::extract(file, &name, dir, &task)?;
        task.done("unpacked");
        Ok(())
    })
}
