//! Exit codes for `git bisect run`.

use strum::{IntoStaticStr, VariantArray};

use crate::error::ErrorKind;
use crate::exit_code::ExitCode;
use crate::judge::verdict::Verdict;
use crate::report::run_report::RunReport;

/// The result for `git bisect run` (git-bisect(1): 0 is good, 125 cannot be tested, other codes up to 127 are bad, higher ones
/// end the bisection).
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "lowercase")]
#[repr(u8)]
pub enum Bisect {
    /// At least one case was judged, and all were as expected.
    Good = 0,
    /// A case was not as expected.
    Bad = 1,
    /// This commit cannot be judged.
    Skip = 125,
    /// Ctrl-C.
    Interrupted = 130,
    /// No commit can be judged.
    Stop = 200,
}

impl Bisect {
    /// All of them, in order.
    pub const ALL: &'static [Bisect] = Bisect::VARIANTS;

    /// The word in the line that a step prints.
    pub fn word(self) -> &'static str {
        self.into()
    }

    /// Its meaning, as in docs/bisect.md.
    pub fn meaning(self) -> &'static str {
        match self {
            Bisect::Good => "cases were judged, and all were as expected",
            Bisect::Bad => {
                "a clause is violated, behaviour differs from its snapshot, or the same case lost its guest twice"
            }
            Bisect::Skip => {
                "this commit cannot be judged: it does not configure, compile or boot, the series does not apply, a case is \
                 broken or not reviewed, or all were skipped"
            }
            Bisect::Interrupted => "interrupted: the bisection ends",
            Bisect::Stop => {
                "no commit can be judged, so the bisection ends: usage, tools, disk, the guest program, a bug in the suite"
            }
        }
    }

    /// The exit code of the process.
    pub fn number(self) -> u8 {
        self as u8
    }

    /// The exit code for a run with a report. If the run lost a guest, the report of a second run is used too.
    ///
    /// A violation counts even if the second run does not show it. The host may be why a guest was lost, so only a case that
    /// loses its guest twice is bad.
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

impl From<ErrorKind> for Bisect {
    /// The exit code for a run that ended with an error.
    fn from(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::Source | ErrorKind::Kconfig | ErrorKind::Patch | ErrorKind::Build => Bisect::Skip,
            ErrorKind::Interrupt => Bisect::Interrupted,
            ErrorKind::Usage | ErrorKind::Host | ErrorKind::Internal => Bisect::Stop,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::run_report::tests::report;

    #[test]
    fn the_page_about_bisecting_documents_every_code() {
        let page = include_str!("../../../docs/bisect.md");
        for code in Bisect::ALL {
            let row = format!("| {} | {} | {} |", code.number(), code.word(), code.meaning());
            assert!(page.contains(&row), "docs/bisect.md lacks this row: {row}");
        }
    }

    #[test]
    fn a_commit_is_good_only_if_something_was_judged() {
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
    fn errors_that_are_the_same_for_every_commit_stop_the_bisection() {
        for kind in [ErrorKind::Usage, ErrorKind::Host, ErrorKind::Internal, ErrorKind::Interrupt] {
            assert!(Bisect::from(kind).number() >= 128, "{kind:?}");
        }
        for kind in [ErrorKind::Build, ErrorKind::Patch, ErrorKind::Kconfig, ErrorKind::Source] {
            assert_eq!(Bisect::from(kind), Bisect::Skip);
        }
    }
}
