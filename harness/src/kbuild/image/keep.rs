//! Which images stay in the cache: as many as there is room for, those used last first.
//!
//! Four kernels in several flavours, without a series and with one, are some thirty images of about 20 MB; trying wrong
//! patches by the dozen adds one each. So the limit is one of size and not of number.

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::{FACTS, KIND, keys_by_use};
use crate::error::{Result, io};
use crate::host::disk;
use crate::host::store::Store;

/// Bytes on disk that images may take.
const ROOM: u64 = 4_000_000_000;
/// What nobody used for so long goes even where there is room.
const STALE: Duration = Duration::from_secs(60 * 24 * 3600);
/// What was used since then stays even where there is none: a matrix of other kernels comes back to it.
const FRESH: Duration = Duration::from_secs(3600);

/// Marks an image, by the file of its facts, as used just now, and removes those that are not kept.
pub(super) fn prune(store: &Store, used: &Path) -> Result<()> {
    let now = SystemTime::now();
    let mark = fs::File::options().append(true).open(used).and_then(|file| file.set_modified(now));
    mark.map_err(|error| io(&error, "dating", used))?;
    prune_to(store, now, ROOM)
}

fn prune_to(store: &Store, now: SystemTime, room: u64) -> Result<()> {
    let mut taken = 0;
    for key in keys_by_use(store) {
        let Some(dir) = store.entry(KIND, &key) else { continue };
        let used = dir.join(FACTS).metadata().and_then(|meta| meta.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
        let idle = now.duration_since(used).unwrap_or_default();
        taken += disk::used(&dir, &mut HashSet::new());
        if idle > FRESH && (taken > room || idle > STALE) {
            store.remove_unused(KIND, &key)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3600;

    /// Images of at least 100 kB each that were used so many hours ago.
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
    fn those_used_last_are_kept_as_far_as_there_is_room() {
        let dir = tempfile::tempdir().unwrap();
        let store = store(dir.path(), &[2, 3, 4, 5]);
        assert_eq!(kept(&store, 1_000_000), ["h00002", "h00003", "h00004", "h00005"]);
        assert_eq!(kept(&store, 250_000), ["h00002", "h00003"]);
        assert_eq!(kept(&store, 0), [""; 0]);
    }

    #[test]
    fn what_was_used_within_the_hour_stays_without_room() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(kept(&store(dir.path(), &[0, 2, 3]), 0), ["h00000"]);
    }

    #[test]
    fn what_nobody_used_for_two_months_goes() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(kept(&store(dir.path(), &[2, 59 * 24, 61 * 24]), u64::MAX), ["h00002", "h01416"]);
    }

    #[test]
    fn what_somebody_boots_from_stays_and_use_counts_from_now() {
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
