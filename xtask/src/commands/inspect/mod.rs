//! Commands that read something and run no guest: a series, a console, the importers of a tree.

pub mod complaints;
pub mod importers;
pub mod series;
