//! Removes old images from the cache: the least recently used ones, if all together are too large.
//!
//! Four kernels in several flavours, with and without a series, are about thirty images of 20 MB, and each mutant adds one. So the
//! limit is a size and not a number.

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::{FACTS, KIND, keys_by_use};
use crate::error::{Result, io};
use crate::host::disk;
use crate::host::store::Store;

/// Maximum size of all images, in bytes.
const MAX_SIZE: u64 = 4_000_000_000;
/// Images that were not used for this long are removed in any case.
const MAX_AGE: Duration = Duration::from_secs(60 * 24 * 3600);
/// Images that were used within this time are kept in any case, because a matrix uses them again.
const MIN_AGE: Duration = Duration::from_secs(3600);

/// Marks an image as used now, by the time of its facts file, and removes old ones.
pub(super) fn prune(store: &Store, used: &Path) -> Result<()> {
    let now = SystemTime::now();
    let mark = fs::File::options().append(true).open(used).and_then(|file| file.set_modified(now));
    mark.map_err(|error| io(&error, "setting the time of", used))?;
    prune_to(store, now, MAX_SIZE)
}

fn prune_to(store: &Store, now: SystemTime, room: u64) -> Result<()> {
    let mut taken = 0;
    for key in keys_by_use(store) {
        let Some(dir) = store.entry(KIND, &key) else { continue };
        let used = dir.join(FACTS).metadata().and_then(|meta| meta.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
        let idle = now.duration_since(used).unwrap_or_default();
        taken += disk::used(&dir, &mut HashSet::new());
        if idle > MIN_AGE && (taken > room || idle > MAX_AGE) {
            store.remove_unused(KIND, &key)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3600;

    /// Images of at least 100 kB each, last used this many hours ago.
    fn store(dir: &Path, hours: &[u64]) -> Store {
        let store = Store::open(Some(dir)).unwrap();
        for hours in hours {
            let made = store.publish(KIND, &format!("h{hours:05}"), |dir| {
                fs::write(dir.join("vmlinux"), vec![1; 100_000]).map_err(|error| io(&error, "writing", dir))?;
                fs::write(dir.join(FACTS), "{}").map_err(|error| io(&error, "writing", dir))
            });
            let file = fs::File::options().append(true).open(made.unwrap().join(FACTS)).unwrap();
            file.set_modified(SystemTime::now() - Duration::from_secs(hours * HOUR)).unwrap();
        }
        store
    }

    fn kept(store: &Store, room: u64) -> Vec<String> {
        prune_to(store, SystemTime::now(), room).unwrap();
        store.keys(KIND)
    }

    #[test]
    fn the_most_recently_used_images_are_kept_up_to_the_limit() {
        let dir = tempfile::tempdir().unwrap();
        let store = store(dir.path(), &[2, 3, 4, 5]);
        assert_eq!(kept(&store, 1_000_000), ["h00002", "h00003", "h00004", "h00005"]);
        assert_eq!(kept(&store, 250_000), ["h00002", "h00003"]);
        assert_eq!(kept(&store, 0), [""; 0]);
    }

    #[test]
    fn images_used_within_the_hour_are_kept_beyond_the_limit() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(kept(&store(dir.path(), &[0, 2, 3]), 0), ["h00000"]);
    }

    #[test]
    fn images_not_used_for_two_months_are_removed() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(kept(&store(dir.path(), &[2, 59 * 24, 61 * 24]), u64::MAX), ["h00002", "h01416"]);
    }

    #[test]
    fn a_held_image_is_kept_and_pruning_marks_the_used_one() {
        let dir = tempfile::tempdir().unwrap();
        let store = store(dir.path(), &[2, 3, 4]);
        let booting = store.hold(KIND, "h00004").unwrap();
        assert_eq!(kept(&store, 0), ["h00004"]);
        drop(booting);
        let used = store.entry(KIND, "h00004").unwrap().join(FACTS);
        prune(&store, &used).unwrap();
        assert_eq!(kept(&store, 0), ["h00004"]);
    }
}
