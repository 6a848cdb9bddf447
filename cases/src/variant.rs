//! Variants: the same steps with other descriptors of a buffer, like exporters: the same steps with other drivers.

use crate::exporter::Exporter;
use crate::need::Need;

/// How the descriptors of a case were made. Claims about aliases that need no DERIVE also hold for duplicates and
/// exported descriptors, which unpatched kernels have too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FdKind {
    /// By export: the primary.
    Exported,
    /// By DERIVE: each an open file of its own.
    Alias,
    /// By dup(2): the same open file.
    Duplicate,
}

/// One way to run a case.
#[derive(Clone, Copy, Debug)]
pub struct Variant {
    /// Name in keys and reports.
    pub name: &'static str,
    /// Description.
    pub about: &'static str,
    /// The descriptors it runs on.
    pub fds: FdKind,
    /// Needs in addition to those of the case.
    pub needs: &'static [Need],
    /// The exporters, if not all exporters of the case.
    pub exporters: Option<&'static [Exporter]>,
}

/// Aliases.
pub const ALIASES: Variant =
    Variant { name: "alias", about: "with aliases", fds: FdKind::Alias, needs: &[Need::Derive], exporters: None };

/// Duplicates instead of aliases. Judged with and without the patch.
pub const DUPLICATES: Variant = Variant {
    name: "dup",
    about: "with duplicates of one descriptor instead of aliases",
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

    /// The same on other exporters than those of the case.
    pub const fn only_on(self, exporters: &'static [Exporter]) -> Self {
        Variant { exporters: Some(exporters), ..self }
    }
}

/// The parameters of one run of a case.
#[derive(Clone, Copy, Debug)]
pub struct CaseParams {
    /// The exporter.
    pub exporter: Exporter,
    /// The variant of the case.
    pub variant: &'static Variant,
}

impl CaseParams {
    /// The kind of descriptors of this run.
    pub fn fds(self) -> FdKind {
        self.variant.fds
    }
}
