//! The exit codes of the command line: documented in the README, tested, and derived from the report alone. Those for
//! `git bisect run` mean other things, and are told apart by the same tests.

use crate::error::Blame;
use crate::run_report::RunReport;
use crate::verdict::Verdict;

use serde::{Deserialize, Serialize};
use strum::{FromRepr, IntoStaticStr, VariantArray};

/// How a command ended. In JSON it is its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, FromRepr, VariantArray)]
#[serde(into = "u8", try_from = "u8")]
#[repr(u8)]
pub enum ExitCode {
    /// Every planned case ended as expected.
    AsExpected = 0,
    /// A fault of this program.
    Internal = 1,
    /// The command line makes no sense.
    Usage = 2,
    /// A contract clause is violated, or behaviour differs from its snapshot.
    Violated = 10,
    /// A transcript has no snapshot yet: a person has to look at it.
    Unreviewed = 11,
    /// A case is broken, or was skipped although the kernel should have what it needs.
    BrokenCase = 12,
    /// The guest was lost: panic, hang, QEMU died.
    GuestLost = 20,
    /// The kernel does not compile.
    Build = 21,
    /// The series does not apply.
    Patch = 22,
    /// Source, tools, cache or configuration.
    Fetch = 23,
    /// Ctrl-C.
    Interrupted = 130,
}

impl ExitCode {
    /// All of them, in order.
    pub const ALL: &'static [ExitCode] = ExitCode::VARIANTS;

    /// What the README says about it.
    pub fn meaning(self) -> &'static str {
        match self {
            ExitCode::AsExpected => "every planned case ended as expected",
            ExitCode::Internal => "a fault of this program",
            ExitCode::Usage => "the command line makes no sense",
            ExitCode::Violated => "a contract clause is violated, or behaviour differs from its snapshot",
            ExitCode::Unreviewed => "a new transcript, or the end of a known limit or defect, waits for a review",
            ExitCode::BrokenCase => "a case is broken, or was skipped although the kernel should have what it needs",
            ExitCode::GuestLost => "the guest was lost: panic, hang, QEMU died",
            ExitCode::Build => "the kernel or the guest program does not compile",
            ExitCode::Patch => "the series does not apply",
            ExitCode::Fetch => "source, tools, cache or kernel configuration",
            ExitCode::Interrupted => "interrupted",
        }
    }

    /// The number that the process exits with.
    pub fn number(self) -> u8 {
        self as u8
    }
}

impl From<ExitCode> for u8 {
    fn from(code: ExitCode) -> u8 {
        code.number()
    }
}

impl TryFrom<u8> for ExitCode {
    type Error = String;

    fn try_from(number: u8) -> Result<Self, String> {
        ExitCode::from_repr(number).ok_or_else(|| format!("there is no exit code {number}"))
    }
}

/// What `git bisect run` is told (git-bisect(1): 0 is good, 125 cannot be tested, the rest up to 127 is bad, and what is
/// above ends the bisection).
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "lowercase")]
#[repr(u8)]
pub enum Bisect {
    /// Something was judged, and all of it as expected.
    Good = 0,
    /// Something was not.
    Bad = 1,
    /// This commit says nothing.
    Skip = 125,
    /// Ctrl-C.
    Interrupted = 130,
    /// No commit would say anything.
    Stop = 200,
}

impl Bisect {
    /// All of them, in order.
    pub const ALL: &'static [Bisect] = Bisect::VARIANTS;

    /// The word in the line that a step prints.
    pub fn word(self) -> &'static str {
        self.into()
    }

    /// What the README says about it.
    pub fn meaning(self) -> &'static str {
        match self {
            Bisect::Good => "cases were judged, and all came out as expected",
            Bisect::Bad => {
                "a clause is violated, behaviour differs from its snapshot, or the same case lost its guest twice"
            }
            Bisect::Skip => {
                "this commit cannot be judged: it does not configure, compile or boot, the series does not apply, a case is \
                 broken or not reviewed, or all were skipped"
            }
            Bisect::Interrupted => "interrupted: the bisection ends",
            Bisect::Stop => {
                "no commit can be judged, so the bisection ends: usage, tools, disk, the guest program, a fault of this program"
            }
        }
    }

    /// The number that the process exits with.
    pub fn number(self) -> u8 {
        self as u8
    }

    /// For a run that came to a report, and, where that has lost a guest, another one of the same.
    ///
    /// A violation that was seen is one, also where another try does not show it. A guest may be lost because the host
    /// stumbled, so only a case that loses two is the kernel's fault.
    pub fn of(report: &RunReport, again: Option<&RunReport>) -> Self {
        let code = again.map_or(report.exit_code(), RunReport::exit_code);
        match code {
            ExitCode::AsExpected if again.is_some() => Bisect::Skip,
            ExitCode::AsExpected if report.tally().passed == 0 => Bisect::Skip,
            ExitCode::AsExpected => Bisect::Good,
            ExitCode::Violated => Bisect::Bad,
            ExitCode::GuestLost
                if again.is_some_and(|again| lost_in(report).any(|key| lost_in(again).any(|k| k == key))) =>
            {
                Bisect::Bad
            }
            ExitCode::Interrupted => Bisect::Interrupted,
            _ => Bisect::Skip,
        }
    }
}

/// The cases that began and lost their guest.
pub fn lost_in(report: &RunReport) -> impl Iterator<Item = &str> {
    let lost = |verdict: &Verdict| matches!(verdict.detailed(), Verdict::Lost { begun: true, .. });
    report.verdicts.iter().filter(move |verdict| lost(&verdict.verdict)).map(|verdict| verdict.key.0.as_str())
}

impl From<Blame> for Bisect {
    /// For a run that came to no report.
    fn from(blame: Blame) -> Self {
        match blame {
            Blame::Source | Blame::Kconfig | Blame::Patch | Blame::Build => Bisect::Skip,
            Blame::Interrupt => Bisect::Interrupted,
            Blame::Usage | Blame::Host | Blame::Internal => Bisect::Stop,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run_report::tests::report;

    #[test]
    fn the_readme_documents_what_git_bisect_is_told() {
        let readme = include_str!("../../README.md");
        for code in Bisect::ALL {
            let row = format!("| {} | {} | {} |", code.number(), code.word(), code.meaning());
            assert!(readme.contains(&row), "README.md lacks this row: {row}");
        }
    }

    #[test]
    fn a_step_of_a_bisection_is_good_only_if_something_was_judged() {
        let skipped = || Verdict::Skipped { need: "derive".into(), why: "it is not there".into() };
        let failed = || Verdict::Failed { reasons: vec!["x".into()] };
        let differs = || Verdict::Differs { diff: "x".into() };
        let broken = || Verdict::Broken { why: "x".into() };
        let flaky =
            |worst| Verdict::Flaky { seen: Vec::new(), transcripts: 2, diff: String::new(), worst: Box::new(worst) };
        let lost = || Verdict::Lost { begun: true, how: "x".into() };
        for (verdicts, code) in [
            (vec![Verdict::Pass, skipped()], Bisect::Good),
            (vec![skipped(), skipped()], Bisect::Skip),
            (vec![], Bisect::Skip),
            (vec![Verdict::Pass, failed(), broken()], Bisect::Bad),
            (vec![differs()], Bisect::Bad),
            (vec![flaky(failed())], Bisect::Bad),
            (vec![flaky(Verdict::Pass)], Bisect::Skip),
            (vec![Verdict::Pass, broken()], Bisect::Skip),
            (vec![Verdict::Unreviewed], Bisect::Skip),
            (vec![lost()], Bisect::Skip),
            (vec![lost(), failed()], Bisect::Bad),
        ] {
            let report = report(verdicts);
            assert_eq!(Bisect::of(&report, None), code, "{:?}", report.verdicts);
        }
        let mut interrupted = report(vec![failed()]);
        interrupted.interrupted = true;
        assert_eq!(Bisect::of(&interrupted, None), Bisect::Interrupted);
    }

    #[test]
    fn only_a_case_that_loses_two_guests_is_bad() {
        let lost = |begun| Verdict::Lost { begun, how: "x".into() };
        let first = report(vec![Verdict::Pass, lost(true), lost(false)]);
        for (again, code) in [
            (vec![Verdict::Pass, lost(true), lost(false)], Bisect::Bad),
            (vec![lost(true), Verdict::Pass, Verdict::Pass], Bisect::Skip),
            (vec![lost(false), lost(false), lost(false)], Bisect::Skip),
            (vec![Verdict::Pass, Verdict::Pass, Verdict::Pass], Bisect::Skip),
            (vec![Verdict::Pass, Verdict::Failed { reasons: vec!["x".into()] }, Verdict::Pass], Bisect::Bad),
        ] {
            assert_eq!(Bisect::of(&first, Some(&report(again))), code);
        }
        let never_booted = report(vec![lost(false)]);
        assert_eq!(Bisect::of(&never_booted, Some(&never_booted)), Bisect::Skip);
    }

    #[test]
    fn what_no_commit_can_mend_stops_a_bisection() {
        for blame in [Blame::Usage, Blame::Host, Blame::Internal, Blame::Interrupt] {
            assert!(Bisect::from(blame).number() >= 128, "{blame:?}");
        }
        for blame in [Blame::Build, Blame::Patch, Blame::Kconfig, Blame::Source] {
            assert_eq!(Bisect::from(blame), Bisect::Skip);
        }
    }

    #[test]
    fn the_readme_documents_every_code() {
        let readme = include_str!("../../README.md");
        for code in ExitCode::ALL {
            let row = format!("| {} | {} |", code.number(), code.meaning());
            assert!(readme.contains(&row), "README.md lacks this row of exit codes: {row}");
        }
    }
}
