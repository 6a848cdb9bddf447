//! Finds the importers of dma-bufs in any kernel tree, without a configuration, and compares them with a reviewed table.
//!
//! ```text
//! vocabulary  the calls and fields that make a place an importer
//! files       the C files of a tree that contain one of these words
//! syntax      a file, parsed by tree-sitter: calls, initialisers, assignments, each with its function
//! extract     a parsed file -> places; [`queue`] resolves V4L2 queues
//! macros      what the macros of a tree's headers import
//! census      all places of a tree
//! reviewed    the reviewed table, `importers/reviewed.tsv`
//! change      what is new, gone or changed between two lists of places
//! counts      numbers by subsystem and by kind
//! render      text, Markdown, JSON, HTML
//! ```
//!
//! `docs/importers.md` says what the census shows and what it cannot see. Whoever boots a kernel does not need this crate.

pub mod census;
pub mod change;
pub mod counts;
pub mod direction;
pub mod extract;
pub mod files;
pub mod macros;
pub mod queue;
pub mod render;
pub mod reviewed;
pub mod site;
pub mod syntax;
pub mod vocabulary;
