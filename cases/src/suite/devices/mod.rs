//! Hazards and their controls, shown by importers of the kernel that only the flavour `importers` has.

pub mod both_modes;
pub mod bus_master;
pub mod capture_by_dma;
pub mod display_mapping;
pub mod display_own_buffer;
pub mod iommu;
pub mod mem2mem;
pub mod network_card;
pub mod samples;
pub mod writeback;
