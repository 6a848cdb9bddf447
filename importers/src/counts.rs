//! Numbers of a census: by kind, to compare kernels, and by subsystem.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::direction::DmaDirection;
use crate::site::{CallSite, Role, SiteKind};

/// A number with its meaning.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NamedCount {
    /// What is counted.
    pub name: String,
    /// How many.
    pub count: usize,
}

/// The numbers by which kernels are compared. They include the core and tests of the kernel.
pub fn totals(places: &[CallSite]) -> Vec<NamedCount> {
    let of = |kind: SiteKind| places.iter().filter(move |place| place.kind == kind);
    let directory = |place: &CallSite| place.file.rsplit_once('/').map_or(String::new(), |(path, _)| path.to_string());
    let imports = |place: &&CallSite| place.what.starts_with(".gem_prime_import") || place.what.starts_with("DRM_GEM_");
    let files = of(SiteKind::Prime).filter(imports).map(|place| &place.file).collect::<BTreeSet<_>>().len();
    let regions = of(SiteKind::Umem).filter(|place| place.what == ".reg_user_mr_dmabuf").map(directory);
    let numbers = [
        ("calls of dma_buf_get()", of(SiteKind::Get).count()),
        ("calls that attach", of(SiteKind::Attach).count()),
        ("calls that map for DMA", of(SiteKind::Map).count()),
        ("calls that pin", of(SiteKind::Pin).count()),
        ("calls that map into the kernel", of(SiteKind::Vmap).count()),
        ("calls that map into a process", of(SiteKind::Mmap).count()),
        ("calls that begin CPU access", of(SiteKind::Cpu).count()),
        ("files of DRM drivers with an import", files),
        ("V4L2 queues that take dma-bufs", of(SiteKind::Queue).count()),
        ("RDMA drivers with dma-buf regions", regions.collect::<BTreeSet<_>>().len()),
        ("IIO drivers with a DMA buffer", distinct_files(of(SiteKind::Iio))),
        ("network drivers with unread memory", distinct_files(of(SiteKind::Netmem))),
        ("USB controllers with scatter-gather", distinct_files(of(SiteKind::Gadget))),
    ];
    numbers.into_iter().map(|(name, count)| NamedCount { name: name.into(), count }).collect()
}

fn distinct_files<'a>(places: impl Iterator<Item = &'a CallSite>) -> usize {
    places.map(|place| &place.file).collect::<BTreeSet<_>>().len()
}

/// Importers of a subsystem.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SubsystemCounts {
    /// Its name.
    pub subsystem: String,
    /// Files with a place.
    pub files: usize,
    /// Calls of the core.
    pub core_calls: usize,
    /// Uses of a helper layer, V4L2 queues included.
    pub helper_uses: usize,
    /// Mappings and queues that only let a device read.
    pub to_device: usize,
    /// Those that let it write.
    pub from_device: usize,
    /// Those that let it do both.
    pub bidirectional: usize,
    /// Those whose direction is a variable.
    pub variable: usize,
}

impl SubsystemCounts {
    /// The numbers, in the order of the columns of tables.
    pub fn numbers(&self) -> [usize; 7] {
        [
            self.files,
            self.core_calls,
            self.helper_uses,
            self.to_device,
            self.from_device,
            self.bidirectional,
            self.variable,
        ]
    }
}

/// The importers of each subsystem, without the core and tests of the kernel, the most places first.
pub fn by_subsystem(places: &[CallSite]) -> Vec<SubsystemCounts> {
    let mut groups: BTreeMap<&str, Vec<&CallSite>> = BTreeMap::new();
    for place in places.iter().filter(|place| place.role() == Role::Importer) {
        groups.entry(place.subsystem()).or_default().push(place);
    }
    let count = |(name, places): (&str, Vec<&CallSite>)| {
        let core = places.iter().filter(|place| place.kind.is_core_call()).count();
        let maps = |wanted: DmaDirection| {
            let maps = places.iter().filter(|place| matches!(place.kind, SiteKind::Map | SiteKind::Queue));
            maps.filter(|place| place.direction == Some(wanted)).count()
        };
        SubsystemCounts {
            subsystem: name.to_string(),
            files: distinct_files(places.iter().copied()),
            core_calls: core,
            helper_uses: places.len() - core,
            to_device: maps(DmaDirection::ToDevice),
            from_device: maps(DmaDirection::FromDevice),
            bidirectional: maps(DmaDirection::Bidirectional),
            variable: maps(DmaDirection::Variable),
        }
    };
    let mut counts: Vec<SubsystemCounts> = groups.into_iter().map(count).collect();
    counts.sort_by_key(|row| std::cmp::Reverse(row.core_calls + row.helper_uses));
    counts
}
