//! A place in a kernel tree where a dma-buf is imported or used by its importer.

use std::collections::HashMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use strum::{EnumString, IntoStaticStr};

use crate::direction::DmaDirection;

/// What happens at a place.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, EnumString, IntoStaticStr,
)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum SiteKind {
    /// A descriptor becomes a buffer: `dma_buf_get()`.
    Get,
    /// A device is attached.
    Attach,
    /// An attachment is mapped for DMA.
    Map,
    /// An attachment is pinned.
    Pin,
    /// The buffer is mapped into the kernel.
    Vmap,
    /// The buffer is mapped into a process, through the importer's own file.
    Mmap,
    /// A processor begins to access the buffer.
    Cpu,
    /// A DRM driver lets PRIME import, or imports in its own way.
    Prime,
    /// A V4L2 queue takes dma-bufs.
    Queue,
    /// An RDMA driver takes dma-bufs as memory regions or queues.
    Umem,
    /// An IIO driver has a DMA buffer that dma-bufs can be attached to.
    Iio,
    /// A network driver receives into memory that the kernel does not read.
    Netmem,
    /// A USB device controller that functionfs may give dma-bufs to.
    Gadget,
}

impl SiteKind {
    /// The word in tables.
    pub fn word(self) -> &'static str {
        self.into()
    }

    /// The kind of a word in a table.
    pub fn of_word(word: &str) -> Option<SiteKind> {
        word.parse().ok()
    }

    /// Whether it is a call of the dma-buf core, not a use of a helper layer.
    pub fn is_core_call(self) -> bool {
        self <= SiteKind::Cpu
    }
}

/// Whose code a place is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// An importer.
    Importer,
    /// The dma-buf core calls its own functions.
    Core,
    /// A selftest or KUnit test of the kernel.
    Test,
}

/// A place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallSite {
    /// What happens.
    pub kind: SiteKind,
    /// The function that is called, the field, the macro or the constant.
    pub what: String,
    /// Path in the tree.
    pub file: String,
    /// The enclosing function; for initialisers the variable.
    pub function: String,
    /// Line of `what`, counted from 1.
    pub line: usize,
    /// Direction of a mapping or a queue.
    pub direction: Option<DmaDirection>,
    /// What the source says: the direction's expression, the value of a field, the memory operations of a queue.
    pub detail: String,
}

/// What identifies a place when lines have moved. The number counts places that are otherwise equal, from 1.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PlaceKey(pub String, pub SiteKind, pub String, pub String, pub usize);

impl CallSite {
    /// Whose code it is.
    pub fn role(&self) -> Role {
        let name = self.file.rsplit('/').next().unwrap_or_default();
        let test = self.file.split('/').any(|part| matches!(part, "selftests" | "tests"))
            || name.contains("selftest")
            || name.contains("kunit");
        match () {
            () if test => Role::Test,
            () if self.file.starts_with("drivers/dma-buf/") => Role::Core,
            () => Role::Importer,
        }
    }

    /// Whether two places with the same key have the same direction and detail.
    pub fn is_like(&self, other: &CallSite) -> bool {
        (self.direction, &self.detail) == (other.direction, &other.detail)
    }

    /// The subsystem that it belongs to.
    pub fn subsystem(&self) -> &str {
        if self.kind == SiteKind::Queue {
            return "media";
        }
        let known = SUBSYSTEMS.iter().find(|(path, _)| self.file.starts_with(path));
        known.map_or_else(|| self.file.split('/').nth(1).unwrap_or_default(), |(_, name)| name)
    }
}

/// Paths whose second part is not the name of the subsystem.
const SUBSYSTEMS: [(&str, &str); 7] = [
    ("drivers/gpu/drm/", "drm"),
    ("drivers/infiniband/", "rdma"),
    ("drivers/iommu/", "iommufd"),
    ("drivers/usb/", "usb gadget"),
    ("net/", "net"),
    ("io_uring/", "io_uring"),
    ("samples/", "samples"),
];

impl fmt::Display for CallSite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{} {}: {}", self.file, self.line, self.function, self.what)
    }
}

/// The keys of places, which have to be in the order of files and lines.
pub fn keys<'a>(places: impl IntoIterator<Item = &'a CallSite>) -> Vec<PlaceKey> {
    let mut seen: HashMap<PlaceKey, usize> = HashMap::new();
    let key = |place: &CallSite| {
        let mut key = PlaceKey(place.file.clone(), place.kind, place.function.clone(), place.what.clone(), 0);
        let count = seen.entry(key.clone()).or_default();
        *count += 1;
        key.4 = *count;
        key
    };
    places.into_iter().map(key).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(kind: SiteKind, file: &str) -> CallSite {
        let text = || "f".to_string();
        CallSite { kind, what: text(), file: file.into(), function: text(), line: 1, direction: None, detail: text() }
    }

    #[test]
    fn a_path_says_subsystem_and_role() {
        for (kind, file, subsystem, role) in [
            (SiteKind::Map, "drivers/gpu/drm/xe/xe_bo.c", "drm", Role::Importer),
            (SiteKind::Pin, "drivers/gpu/drm/xe/tests/xe_dma_buf.c", "drm", Role::Test),
            (SiteKind::Get, "drivers/iommu/iommufd/selftest.c", "iommufd", Role::Test),
            (SiteKind::Attach, "drivers/dma-buf/dma-buf.c", "dma-buf", Role::Core),
            (SiteKind::Queue, "drivers/input/touchscreen/sur40.c", "media", Role::Importer),
            (SiteKind::Get, "io_uring/zcrx.c", "io_uring", Role::Importer),
            (SiteKind::Get, "drivers/xen/gntdev-dmabuf.c", "xen", Role::Importer),
        ] {
            let place = place(kind, file);
            assert_eq!((place.subsystem(), place.role()), (subsystem, role), "{file}");
        }
    }

    #[test]
    fn equal_places_are_counted() {
        let twice = [place(SiteKind::Map, "a.c"), place(SiteKind::Map, "a.c"), place(SiteKind::Pin, "a.c")];
        let numbers: Vec<usize> = keys(&twice).iter().map(|key| key.4).collect();
        assert_eq!(numbers, [1, 2, 1]);
    }
}
