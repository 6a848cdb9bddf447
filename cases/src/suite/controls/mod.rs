//! Controls: importers that only read, which have to work through a read-only descriptor. Devices that only the flavour `importers` has
//! are in `devices`, as controls of their hazards.

pub mod device_reads;
pub mod output_streams;
