//! Variants: the same steps on other descriptors of a buffer, as exporters are the same steps on other drivers.

use crate::exporter::Exporter;
use crate::need::Need;

/// How the descriptors that a case is about came about. What holds for aliases and needs no DERIVE holds for duplicates and
/// exported descriptors, too, which the kernel had before there were aliases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FdKind {
    /// By export: the primary.
    Exported,
    /// By DERIVE: open files of their own.
    Alias,
    /// By dup(2): the same open file.
    Duplicate,
}

/// One way to run a case.
#[derive(Clone, Copy, Debug)]
pub struct Variant {
    /// Name in keys and reports.
    pub name: &'static str,
    /// The same in words.
    pub about: &'static str,
    /// Which descriptors it is run on.
    pub fds: FdKind,
    /// What it needs besides the needs of the case.
    pub needs: &'static [Need],
    /// Where it runs, if not on all exporters of the case.
    pub exporters: Option<&'static [Exporter]>,
}

/// Aliases.
pub const ALIASES: Variant =
    Variant { name: "alias", about: "with aliases", fds: FdKind::Alias, needs: &[Need::Derive], exporters: None };

/// Duplicates in the place of aliases. Judged with and without the patch.
pub const DUPLICATES: Variant = Variant {
    name: "dup",
    about: "with duplicates of one descriptor in the place of aliases",
    fds: FdKind::Duplicate,
    needs: &[],
    exporters: None,
};

/// The descriptor that the exporter made. Judged with and without the patch.
pub const EXPORTED: Variant = Variant {
    name: "export",
    about: "with the descriptor that the exporter made",
    fds: FdKind::Exported,
    needs: &[],
    exporters: None,
};

impl Variant {
    /// The same with other needs.
    pub const fn needing(self, needs: &'static [Need]) -> Self {
        Variant { needs, ..self }
    }

    /// The same on other exporters than the case has.
    pub const fn only_on(self, exporters: &'static [Exporter]) -> Self {
        Variant { exporters: Some(exporters), ..self }
    }
}

/// What a case runs on.
#[derive(Clone, Copy, Debug)]
pub struct On {
    /// The exporter.
    pub exporter: Exporter,
    /// The variant of the case.
    pub variant: &'static Variant,
}

impl On {
    /// Which descriptors the case is about.
    pub fn fds(self) -> FdKind {
        self.variant.fds
    }
}
