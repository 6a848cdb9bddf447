//! What a case is: a claim about one clause, on some exporters, under some needs.

use crate::exporter::Exporter;
use crate::need::Need;
use crate::protocol::CaseKey;
use crate::steps::{Steps, Stop};

/// What a verdict on this case means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// The clause must hold; a violation is a failure that no snapshot can excuse.
    Contract,
    /// A documented limit that is expected to be there, with the reason why it is.
    Hazard(&'static str),
    /// No rule exists; the transcript records what the kernel does.
    Record,
}

impl Judgement {
    /// Name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Judgement::Contract => "contract",
            Judgement::Hazard(_) => "hazard",
            Judgement::Record => "record",
        }
    }
}

/// One case of the suite. Made by [`case!`](crate::case!), listed in [`crate::suite`].
#[derive(Debug)]
pub struct Case {
    /// Area and behaviour, after the module it is in: `rights/derive_table`.
    pub module: &'static str,
    /// The doc comment: what is claimed.
    pub claim: &'static str,
    /// The clause that is judged, such as `R-1`.
    pub clause: &'static str,
    /// What a verdict means.
    pub judgement: Judgement,
    /// Where the case runs.
    pub exporters: &'static [Exporter],
    /// What the case needs.
    pub needs: &'static [Need],
    /// The case itself.
    pub run: fn(&mut Steps, Exporter) -> Result<(), Stop>,
}

impl Case {
    /// Area and behaviour: `rights/derive_table`.
    pub fn id(&self) -> String {
        self.module.strip_prefix("cases::suite::").unwrap_or(self.module).replace("::", "/")
    }

    /// The first part of the id.
    pub fn area(&self) -> String {
        self.id().split('/').next().unwrap_or_default().to_string()
    }

    /// The keys of all planned runs of this case.
    pub fn keys(&self) -> impl Iterator<Item = CaseKey> + '_ {
        let id = self.id();
        self.exporters.iter().map(move |exporter| CaseKey::new(&id, exporter.name()))
    }

    /// The claim as one paragraph, without the layout of the doc comment.
    pub fn claim_text(&self) -> String {
        self.claim.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

/// Declares the case of a module as its `CASE`. The doc comment is the claim; `run` is the function of that name in the
/// same module.
#[macro_export]
macro_rules! case {
    ($(#[doc = $claim:literal])+ $clause:literal, $judgement:expr, $exporters:expr, [$($need:ident),* $(,)?]) => {
        $(#[doc = $claim])+
        pub const CASE: $crate::case::Case = $crate::case::Case {
            module: module_path!(),
            claim: concat!($($claim, "\n"),+),
            clause: $clause,
            judgement: $judgement,
            exporters: $exporters,
            needs: &[$($crate::need::Need::$need),*],
            run,
        };
    };
}
