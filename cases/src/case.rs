//! What a case is: a claim about one clause, the exporters it runs on, and what it needs.

use crate::exporter::Exporter;
use crate::foundation::Foundation;
use crate::need::Need;
use crate::protocol::CaseKey;
use crate::steps::{Abort, Steps};
use crate::variant::{CaseParams, Variant};

/// How the result of a case is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// The clause must hold. A violation is a failure, whatever the snapshot says.
    Contract,
    /// A documented limitation that is expected, with the reason.
    Hazard(&'static str),
    /// There is no rule; the transcript records what the kernel does.
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
    /// The module path, which gives the id: `rights/derive_table`.
    pub module: &'static str,
    /// The claim: the doc comment.
    pub claim: &'static str,
    /// The clause that is judged, such as `R-1`.
    pub clause: &'static str,
    /// How the result is judged.
    pub judgement: Judgement,
    /// Where the case runs.
    pub exporters: &'static [Exporter],
    /// What every variant of the case needs.
    pub needs: &'static [Need],
    /// The descriptors it runs on. The first variant is the default, which keys do not name.
    pub variants: &'static [Variant],
    /// What it relies on besides its clause. What derives also relies on [`Foundation::Deriving`], and if it is about lifetimes on
    /// [`Foundation::Closing`]; what is about lifetimes without aliases relies on [`Foundation::Listing`].
    pub relies_on: &'static [Foundation],
    /// The case itself.
    pub run: fn(&mut Steps, CaseParams) -> Result<(), Abort>,
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

    /// The id, and the name of a variant that is not the default: `rights/walk`, `rights/walk.export`.
    pub fn name(&self, variant: &Variant) -> String {
        match self.variants.first() {
            Some(default) if default.name != variant.name => format!("{}.{}", self.id(), variant.name),
            _ => self.id(),
        }
    }

    /// Where a variant runs.
    pub fn exporters_of(&self, variant: &Variant) -> &'static [Exporter] {
        variant.exporters.unwrap_or(self.exporters)
    }

    /// Where a variant can run, which is what `--all-exporters` asks for.
    pub fn all_exporters_of(&self, variant: &Variant) -> Vec<Exporter> {
        let chosen = self.exporters_of(variant);
        let can = |exporter: &Exporter| !self.needs_of(variant).iter().any(|need| exporter.lacks(*need));
        let fits = |exporter: &Exporter| chosen.contains(exporter) || Exporter::is_choice(chosen) && can(exporter);
        Exporter::ALL.iter().copied().filter(fits).collect()
    }

    /// What a variant needs.
    pub fn needs_of(&self, variant: &Variant) -> Vec<Need> {
        self.needs.iter().chain(variant.needs).copied().collect()
    }

    /// What one run needs: its variant, and its exporter.
    pub fn needs_on(&self, on: CaseParams) -> Vec<Need> {
        self.needs_of(on.variant).into_iter().chain(on.exporter.need()).collect()
    }

    /// What a variant relies on besides its clause.
    pub fn relies_on(&self, variant: &Variant) -> Vec<Foundation> {
        let derives = self.needs_of(variant).contains(&Need::Derive);
        // What is about lifetimes needs to see a release.
        let releases =
            (self.area() == "lifetime").then_some(if derives { Foundation::Closing } else { Foundation::Listing });
        let own = Foundation::judged_by(&self.id());
        (derives.then_some(Foundation::Deriving).into_iter())
            .chain(releases)
            .chain(self.relies_on.iter().copied())
            .filter(|foundation| Some(*foundation) != own)
            .collect()
    }

    /// Everything that this case can run on, in the order of reports.
    pub fn runs(&self) -> impl Iterator<Item = CaseParams> {
        let runs =
            |variant| self.all_exporters_of(variant).into_iter().map(move |exporter| CaseParams { exporter, variant });
        self.variants.iter().flat_map(runs)
    }

    /// The key of one run.
    pub fn key(&self, on: CaseParams) -> CaseKey {
        CaseKey::new(&self.name(on.variant), on.exporter.name())
    }

    /// The keys of the runs that are planned by default.
    pub fn keys(&self) -> impl Iterator<Item = CaseKey> {
        self.runs().filter(|on| self.exporters_of(on.variant).contains(&on.exporter)).map(|on| self.key(on))
    }

    /// The claim as one paragraph, without the layout of the doc comment.
    pub fn claim_text(&self) -> String {
        self.claim.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

/// Declares the case of a module as its `CASE`: clause, judgement, exporters, needs, variants if there are several, and
/// `relies on [..]` if it relies on a [`Foundation`]. The doc comment is the claim; `run` is the function of that name in the same module.
#[macro_export]
macro_rules! case {
    ($(#[doc = $claim:literal])+ $clause:literal, $judgement:expr, $exporters:expr, [$($need:ident),* $(,)?]) => {
        $crate::case! {
            $(#[doc = $claim])+
            $clause, $judgement, $exporters, [$($need),*], [$crate::variant::EXPORTED]
        }
    };
    ($(#[doc = $claim:literal])+ $clause:literal, $judgement:expr, $exporters:expr, [$($need:ident),* $(,)?],
     relies on [$($foundation:ident),+]) => {
        $crate::case! {
            $(#[doc = $claim])+
            $clause, $judgement, $exporters, [$($need),*], [$crate::variant::EXPORTED], relies on [$($foundation),+]
        }
    };
    ($(#[doc = $claim:literal])+ $clause:literal, $judgement:expr, $exporters:expr, [$($need:ident),* $(,)?],
     [$($variant:expr),+ $(,)?] $(, relies on [$($foundation:ident),+])?) => {
        $(#[doc = $claim])+
        pub const CASE: $crate::case::Case = $crate::case::Case {
            module: module_path!(),
            claim: concat!($($claim, "\n"),+),
            clause: $clause,
            judgement: $judgement,
            exporters: $exporters,
            needs: &[$($crate::need::Need::$need),*],
            variants: &[$($variant),+],
            relies_on: &[$($($crate::foundation::Foundation::$foundation),+)?],
            run,
        };
    };
}
