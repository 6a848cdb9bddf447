//! Fault cases: ways in which a guest can fail, triggered on purpose. `cargo xtask selftest` runs each and checks that
//! it is detected.
//!
//! Technically they are cases, but they judge no clause, are not part of `cargo xtask test`, and have no snapshots.
//! Each declares the verdict it must lead to and the words that the report must contain. After each of them, a normal case runs
//! and must pass.
//!
//! Faults in the kernel are triggered by `cases/kernel/misbehave.c`, which only the flavour `faults` compiles.

mod after;
mod kernel;
mod machine;
mod process;
mod resources;
mod runner;

use crate::case::{Case, Judgement};
use crate::exporter::Exporter;
use crate::need::Need;
use crate::protocol::CaseKey;
use crate::steps::{Abort, Steps};
use crate::variant::{CaseParams, EXPORTED};

/// The verdict that a fault case must be reported with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// The case or the kernel failed, and the guest could still report it.
    Fail,
    /// The case itself is wrong.
    Broken,
    /// The guest was lost.
    Lost,
    /// One of the two, depending on the processor: the runner's own timer may hang too.
    FailOrLost,
}

impl Expected {
    /// The word that reports use, or several separated by spaces.
    pub fn word(self) -> &'static str {
        match self {
            Expected::Fail => "FAIL",
            Expected::Broken => "BROKEN",
            Expected::Lost => "LOST",
            Expected::FailOrLost => "FAIL LOST",
        }
    }
}

/// Settings of the guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GuestTuning {
    /// A short limit for each case: most faults are detected at once, the others by the limit.
    Brief,
    /// A long limit, for faults that take a while to end the case.
    Patient,
    /// The kernel's own hang detectors set to a few seconds.
    Detectors,
    /// The same, with time for RCU, which under lockdep adds five seconds to what it is set to
    /// (kernel/rcu/tree_stall.h).
    Stalls,
}

/// One way in which a guest can fail.
#[derive(Debug)]
pub struct FaultCase {
    /// The case that triggers it.
    pub case: Case,
    /// The case that runs after it.
    pub after: Case,
    /// Settings of the guest.
    pub setting: GuestTuning,
    /// The verdict it must be reported with.
    pub expected: Expected,
    /// Words that the report must contain, besides the name of the case and of a call that never returned.
    pub words: &'static [&'static str],
}

impl FaultCase {
    /// Its name: the id of the case without the area.
    pub fn name(&self) -> &'static str {
        self.case.module.strip_prefix(AREA).unwrap_or(self.case.module)
    }

    /// The key of the case that triggers it.
    pub fn key(&self) -> CaseKey {
        CaseKey::new(&self.case.id(), EXPORTER.name())
    }

    /// The key of the case that runs after it.
    pub fn after_key(&self) -> CaseKey {
        CaseKey::new(&self.after.id(), EXPORTER.name())
    }
}

const AREA: &str = "selftest/";
const EXPORTER: Exporter = Exporter::SystemHeap;

/// The case with this id, if it belongs to a fault case.
pub fn by_id(id: &str) -> Option<&'static Case> {
    let all = || FAULT_CASES.iter().copied().flatten();
    all().flat_map(|fault| [&fault.case, &fault.after]).find(|case| case.id() == id)
}

/// Every fault case, in the order of reports.
pub fn all() -> impl Iterator<Item = &'static FaultCase> {
    FAULT_CASES.iter().copied().flatten()
}

static FAULT_CASES: &[&[FaultCase]] =
    &[kernel::FAULT_CASES, machine::FAULT_CASES, process::FAULT_CASES, resources::FAULT_CASES, runner::FAULT_CASES];

const fn case(id: &'static str, claim: &'static str, run: fn(&mut Steps, CaseParams) -> Result<(), Abort>) -> Case {
    Case {
        module: id,
        claim,
        clause: "selftest",
        judgement: Judgement::Contract,
        exporters: &[EXPORTER],
        // Some leave a processor to the runner.
        needs: &[Need::TwoProcessors],
        variants: &[EXPORTED],
        relies_on: &[],
        run,
    }
}

/// Declares a fault case: name, description, guest settings, expected verdict, words, and the function that triggers
/// it.
macro_rules! fault_case {
    ($name:literal, $claim:literal, $setting:ident, $expected:ident, [$($word:literal),* $(,)?], $run:expr) => {
        $crate::faults::FaultCase {
            case: $crate::faults::case(concat!("selftest/", $name), $claim, $run),
            after: $crate::faults::case(
                concat!("selftest/after/", $name),
                "The case before this one has had no effect on the guest.",
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
    fn every_key_finds_its_case() {
        let keys: Vec<CaseKey> = all().flat_map(|fault| [fault.key(), fault.after_key()]).collect();
        for key in &keys {
            assert_eq!(suite::find(key).unwrap().0.id(), key.id());
        }
        assert_eq!(keys.iter().collect::<BTreeSet<_>>().len(), keys.len(), "two fault cases with one name");
    }

    #[test]
    fn no_fault_case_is_in_the_conformance_plan() {
        assert!(!suite::keys().any(|key| key.id().starts_with(AREA)));
    }

    #[test]
    fn there_are_at_least_thirty_fault_cases() {
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
