//! Hazards and their controls, shown by importers of the kernel that only the flavour `importers` has.

pub mod bus_master;
pub mod capture_by_dma;
pub mod display_mapping;
pub mod iommu;
pub mod mem2mem;
pub mod writeback;
