//! Endings of a guest, produced on purpose: `cargo xtask selftest` runs each and proves that none passes unnoticed.
//!
//! These are cases in form only. They judge no clause, are in no plan of `cargo xtask test`, and have no snapshots. Each
//! declares the verdict that it has to lead to and the words that the report has to hold. After each comes a case that
//! has to hold as if nothing had happened.
//!
//! Faults of the kernel are committed by `cases/kernel/misbehave.c`, which only the flavour `faults` compiles.

mod after;
mod kernel;
mod machine;
mod process;
mod resources;
mod runner;

use crate::case::{Case, Judgement};
use crate::exporter::Exporter;
use crate::protocol::CaseKey;
use crate::steps::{Abort, Steps};
use crate::variant::{EXPORTED, On};

/// What an ending has to be reported as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// The case or the kernel did wrong, and the guest could still say so.
    Fail,
    /// Our own side did wrong.
    Broken,
    /// The guest went away.
    Lost,
    /// One of the two, depending on the processor that the fault is on: the runner's own clock may hang with it.
    FailOrLost,
}

impl Expected {
    /// The word that reports use for it, or several.
    pub fn word(self) -> &'static str {
        match self {
            Expected::Fail => "FAIL",
            Expected::Broken => "BROKEN",
            Expected::Lost => "LOST",
            Expected::FailOrLost => "FAIL LOST",
        }
    }
}

/// What the guest is set to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GuestTuning {
    /// A short limit for each case, because most endings are known at once and the others by that limit.
    Brief,
    /// A limit that is not to be reached: what ends the case takes a while.
    Patient,
    /// The kernel's own detectors of hangs, set to a few seconds.
    Detectors,
    /// The same, with time for RCU, which under lockdep adds five seconds to what it is set to (kernel/rcu/tree_stall.h).
    Stalls,
}

/// One way in which a guest can end.
#[derive(Debug)]
pub struct FaultCase {
    /// What brings it about.
    pub case: Case,
    /// The case that comes after it.
    pub after: Case,
    /// What the guest is set to.
    pub setting: GuestTuning,
    /// What it has to be reported as.
    pub expected: Expected,
    /// What the report has to hold, besides the name of the case and of a step that never returned.
    pub words: &'static [&'static str],
}

impl FaultCase {
    /// Its name: the id of the case without the area.
    pub fn name(&self) -> &'static str {
        self.case.module.strip_prefix(AREA).unwrap_or(self.case.module)
    }

    /// The key of the case that brings it about.
    pub fn key(&self) -> CaseKey {
        CaseKey::new(&self.case.id(), EXPORTER.name())
    }

    /// The key of the case that comes after it.
    pub fn after_key(&self) -> CaseKey {
        CaseKey::new(&self.after.id(), EXPORTER.name())
    }
}

const AREA: &str = "selftest/";
const EXPORTER: Exporter = Exporter::SystemHeap;

/// The case with this id, if it belongs to an fault.
pub fn by_id(id: &str) -> Option<&'static Case> {
    let all = || FAULT_CASES.iter().copied().flatten();
    all().flat_map(|fault| [&fault.case, &fault.after]).find(|case| case.id() == id)
}

/// Every ending, in the order of reports.
pub fn all() -> impl Iterator<Item = &'static FaultCase> {
    FAULT_CASES.iter().copied().flatten()
}

static FAULT_CASES: &[&[FaultCase]] =
    &[kernel::FAULT_CASES, machine::FAULT_CASES, process::FAULT_CASES, resources::FAULT_CASES, runner::FAULT_CASES];

const fn case(id: &'static str, claim: &'static str, run: fn(&mut Steps, On) -> Result<(), Abort>) -> Case {
    Case {
        module: id,
        claim,
        clause: "selftest",
        judgement: Judgement::Contract,
        exporters: &[EXPORTER],
        needs: &[],
        variants: &[EXPORTED],
        relies_on: &[],
        run,
    }
}

/// Declares an ending: name, what it is, setting, expected verdict, words, and the function that brings it about.
macro_rules! fault_case {
    ($name:literal, $claim:literal, $setting:ident, $expected:ident, [$($word:literal),* $(,)?], $run:expr) => {
        $crate::faults::FaultCase {
            case: $crate::faults::case(concat!("selftest/", $name), $claim, $run),
            after: $crate::faults::case(
                concat!("selftest/after/", $name),
                "What came before has left no trace.",
                $crate::faults::after::run,
            ),
            setting: $crate::faults::GuestTuning::$setting,
            expected: $crate::faults::Expected::$expected,
            words: &[$($word),*],
        }
    };
}
use fault_case;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::suite;

    #[test]
    fn every_key_leads_to_its_case() {
        let keys: Vec<CaseKey> = all().flat_map(|fault| [fault.key(), fault.after_key()]).collect();
        for key in &keys {
            assert_eq!(suite::find(key).unwrap().0.id(), key.id());
        }
        assert_eq!(keys.iter().collect::<BTreeSet<_>>().len(), keys.len(), "two endings of one name");
    }

    #[test]
    fn no_ending_is_in_the_conformance_plan() {
        assert!(!suite::keys().any(|key| key.id().starts_with(AREA)));
    }

    #[test]
    fn there_are_as_many_endings_as_were_asked_for() {
        assert!(all().count() >= 30);
    }

    #[test]
    fn faults_of_the_kernel_are_those_of_its_source() {
        let source = include_str!("../../kernel/misbehave.c");
        let table = source.split("dbc_faults[] = {").nth(1).and_then(|rest| rest.split("};").next()).unwrap();
        let offered: BTreeSet<&str> = table.split("ENTRY(").skip(1).filter_map(|rest| rest.split(')').next()).collect();
        assert_eq!(offered, kernel::FAULTS.iter().copied().collect());
    }
}
