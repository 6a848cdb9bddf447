//! Counts of the kernel's resources: buffers, files, attachments, fences, memory. Compared before and after every case.

use std::fmt;

use crate::fixture::sync_info::listed_timelines;
use crate::uapi::importer::{Count, Importer, Totals};

/// How far [`Totals::other_pages`] may grow by allocations of the kernel itself: pools of the stack depot, network
/// buffers, and KASAN's shadow of vm_map_ram() areas, which alone is 128 pages for each processor. So this finds only
/// large leaks; pages of a buffer that are not freed are counted exactly in [`Totals::pinned`] and
/// [`Totals::pages_kept`].
const KERNEL_PAGES: u32 = 512;

/// Every count at one moment.
#[derive(Clone, Debug)]
pub struct ResourceCounts {
    totals: Totals,
    fences: UserFences,
}

/// Fences that user space created. A timeline exists while a fence of it does, so a lost fence that has signalled shows
/// as a timeline.
#[derive(Clone, Debug)]
struct UserFences {
    timelines: Count,
    pending: Count,
}

impl UserFences {
    /// Unknown without debugfs `sync/info`.
    fn take() -> Self {
        match listed_timelines() {
            Ok(timelines) => UserFences {
                timelines: Count::Exact(timelines.len() as u32),
                pending: Count::Exact(timelines.iter().map(|timeline| timeline.pending as u32).sum()),
            },
            Err(_) => UserFences { timelines: Count::Unknown, pending: Count::Unknown },
        }
    }
}

/// The counts that differ before and after a case.
#[derive(Debug, PartialEq, Eq)]
pub struct Difference(Vec<String>);

impl ResourceCounts {
    /// Takes the counts. None when the test importer does not answer.
    pub fn take(importer: &Importer) -> Option<Self> {
        Some(ResourceCounts { totals: importer.totals().ok()?, fences: UserFences::take() })
    }

    /// The same without open files, which other programs may change.
    #[must_use]
    pub fn without_files(mut self) -> Self {
        self.totals.files = Count::Exact(0);
        self
    }

    /// The counts that differ from `before`; None when none does.
    pub fn since(&self, before: &ResourceCounts) -> Option<Difference> {
        let (now, then) = (&self.totals, &before.totals);
        let mut found = Vec::new();
        let mut compare = |what: &str, now: &dyn fmt::Display, then: &dyn fmt::Display| {
            let (now, then) = (now.to_string(), then.to_string());
            if now != then {
                found.push(format!("{what}: {now}, {then} before"));
            }
        };
        compare("buffers on the global list", &now.listed, &then.listed);
        compare("observed buffers that were not released", &now.tracked_alive, &then.tracked_alive);
        compare("open files", &now.files, &then.files);
        compare("attachments of listed buffers", &now.attachments, &then.attachments);
        compare("attachments that released buffers still had", &now.attachments_lost, &then.attachments_lost);
        compare("contexts of the test importer", &now.contexts, &then.contexts);
        compare("handles of the test importer", &now.handles, &then.handles);
        compare("fences of the test importer", &now.fences, &then.fences);
        compare("timelines of user space's fences", &self.fences.timelines, &before.fences.timelines);
        compare("pending fences of user space", &self.fences.pending, &before.fences.pending);
        compare("pages that udmabufs have pinned", &now.pinned, &then.pinned);
        compare("pages of released buffers that the system heap kept", &now.pages_kept, &then.pages_kept);
        if now.other_pages > then.other_pages.saturating_add(KERNEL_PAGES) {
            compare("pages of drivers, such as the system heap", &now.other_pages, &then.other_pages);
        }
        (!found.is_empty()).then_some(Difference(found))
    }
}

impl Difference {
    /// Adds the exporters of the buffers in `now` that are not among `known`, and updates `known`.
    pub fn name_exporters(&mut self, known: &mut Vec<String>, now: Vec<String>) {
        let mut left = now.clone();
        for name in &*known {
            if let Some(index) = left.iter().position(|other| other == name) {
                left.swap_remove(index);
            }
        }
        left.sort();
        if !left.is_empty() {
            self.0.push(format!("exporters of the remaining buffers: {}", left.join(", ")));
        }
        *known = now;
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts() -> ResourceCounts {
        let totals = Totals {
            listed: Count::Exact(1),
            contexts: 1,
            trackers: 0,
            tracked_alive: 0,
            handles: 0,
            fences: 0,
            attachments: Count::Exact(0),
            attachments_lost: 0,
            pinned: 0,
            other_pages: 3000,
            slab_pages: 900,
            pages_kept: 0,
            files: Count::Exact(7),
        };
        ResourceCounts { totals, fences: UserFences { timelines: Count::Exact(1), pending: Count::Exact(0) } }
    }

    #[test]
    fn a_lost_fence_shows_as_a_timeline() {
        let before = counts();
        let mut after = counts();
        after.fences.timelines = Count::Exact(2);
        assert_eq!(after.since(&before).unwrap().to_string(), "timelines of user space's fences: 2, 1 before");
    }

    #[test]
    fn a_difference_names_the_resource_and_both_counts() {
        let before = counts();
        assert_eq!(before.since(&before), None);
        let mut after = counts();
        after.totals.files = Count::Exact(8);
        assert_eq!(after.clone().without_files().since(&before.clone().without_files()), None);
        after.totals.attachments_lost = 2;
        after.totals.other_pages += KERNEL_PAGES + 1;
        let difference = after.since(&before).unwrap().to_string();
        assert_eq!(
            difference,
            "open files: 8, 7 before; attachments that released buffers still had: 2, 0 before; \
             pages of drivers, such as the system heap: 3513, 3000 before"
        );
    }
}
