//! The report of `cargo xtask dev mutants --correct`: correct implementations, and the cases that fail on them.

use std::fmt::Write as _;

use harness::report::run_report::RunSetting;
use mutants::correct::CorrectEntry;
use mutants::outcome::MutantOutcome;
use serde::Serialize;

use super::report::code;
use super::results::{CaseVerdictRecord, MutantResult, SCHEMA};

/// How many sentences of a case the text shows; the JSON has all.
const SHOWN: usize = 4;

/// The report of a run.
#[derive(Debug, Serialize)]
pub struct CorrectReport {
    schema: u32,
    setting: RunSetting,
    seconds: f64,
    implementations: Vec<Implementation>,
}

/// An implementation and the cases that are not as expected.
#[derive(Debug, Serialize)]
struct Implementation {
    id: String,
    built: String,
    freedom: String,
    own_kernel: Option<String>,
    seconds: f64,
    /// Why it was not run; `None` if it was.
    unrun: Option<String>,
    complaints: Vec<CaseVerdictRecord>,
    /// Cases of `Recorded:` that did not differ.
    blind: Vec<String>,
}

impl Implementation {
    fn new(entry: &CorrectEntry, found: &MutantResult) -> Self {
        let recorded = |word: &CaseVerdictRecord| entry.recorded.iter().any(|id| id == word.case.id());
        // Such a case has to show a difference. One that fails, breaks or is lost is a complaint like any other.
        let noticed = |word: &CaseVerdictRecord| recorded(word) && matches!(word.verdict.as_str(), "other" | "XPASS");
        let complaints = found.cases.iter().filter(|word| !word.how.is_empty() && !noticed(word));
        let blind =
            entry.recorded.iter().filter(|id| !found.cases.iter().any(|word| noticed(word) && word.case.id() == *id));
        let unrun = match &found.outcome {
            MutantOutcome::Unviable { why } => Some(format!("it cannot be built: {why}")),
            MutantOutcome::Equivalent { reason } => Some(format!("it is the reference series: {reason}")),
            MutantOutcome::Duplicate { of } => Some(format!("it is the same as {of}")),
            _ => None,
        };
        Implementation {
            id: entry.slug.clone(),
            built: entry.built.clone(),
            freedom: entry.freedom.clone(),
            own_kernel: found.own_kernel.clone(),
            seconds: found.seconds,
            complaints: complaints.cloned().collect(),
            blind: if unrun.is_none() { blind.cloned().collect() } else { Vec::new() },
            unrun,
        }
    }

    fn is_green(&self) -> bool {
        self.unrun.is_none() && self.complaints.is_empty() && self.blind.is_empty()
    }
}

impl CorrectReport {
    /// Makes the report from the results of these implementations.
    pub fn new(setting: RunSetting, seconds: f64, entries: &[CorrectEntry], found: &[MutantResult]) -> Self {
        let of = |found: &MutantResult| entries.iter().find(|entry| entry.slug == found.about.id);
        let implementations = found.iter().filter_map(|found| Some(Implementation::new(of(found)?, found))).collect();
        CorrectReport { schema: SCHEMA, setting, seconds, implementations }
    }

    /// The exit code of the command.
    pub fn exit_code(&self) -> u8 {
        if self.implementations.iter().all(Implementation::is_green) { code::CAUGHT } else { code::MISSED }
    }

    /// For a person.
    pub fn text(&self) -> String {
        let RunSetting { version, series, flavour, accel, .. } = &self.setting;
        let mut out =
            format!("correct implementations on Linux {version} with series {series}, {flavour} kernel, {accel}\n\n");
        for it in &self.implementations {
            let count = it.complaints.len() + it.blind.len();
            let word = match (it.is_green(), &it.unrun) {
                (true, _) => "green".to_string(),
                (_, Some(why)) => why.clone(),
                _ => format!("{count} complain"),
            };
            let _ = writeln!(out, "{}: {word}", it.id);
            if !it.is_green() {
                let _ = writeln!(out, "  {}\n  {}", it.built, it.freedom);
            }
            for CaseVerdictRecord { case, clause, verdict, how, .. } in &it.complaints {
                let _ = writeln!(out, "  {verdict:<6} {clause} {case}");
                for line in how.iter().take(SHOWN) {
                    let _ = writeln!(out, "         {line}");
                }
                if how.len() > SHOWN {
                    let _ = writeln!(out, "         and {} more", how.len() - SHOWN);
                }
            }
            for id in &it.blind {
                let _ = writeln!(out, "  no difference in: {id}");
            }
        }
        let green = self.implementations.iter().filter(|it| it.is_green()).count();
        let _ = writeln!(out, "\n{green} of {} are green; {:.0} s", self.implementations.len(), self.seconds);
        out
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use cases::protocol::CaseKey;

    use super::super::mutant::{CORRECT, MutantInfo};
    use super::*;

    fn judged(cases: &[(&str, &str)]) -> Implementation {
        let entry = CorrectEntry {
            slug: "it".into(),
            path: PathBuf::new(),
            built: "In another way.".into(),
            freedom: "F-8: it is recorded.".into(),
            recorded: vec!["fences/by_access_mode".into()],
            kernels: None,
        };
        let about = MutantInfo {
            id: "it".into(),
            made_by: CORRECT.into(),
            file: PathBuf::new(),
            functions: Vec::new(),
            line: None,
            wrong: String::new(),
            clauses: Vec::new(),
        };
        let word = |&(case, verdict): &(&str, &str)| CaseVerdictRecord {
            case: CaseKey(case.into()),
            clause: "F-8".into(),
            judgement: "record".into(),
            verdict: verdict.into(),
            how: if verdict == "pass" { Vec::new() } else { vec!["no".into()] },
        };
        let cases = cases.iter().map(word).collect();
        Implementation::new(
            &entry,
            &MutantResult { about, outcome: MutantOutcome::Survived, own_kernel: None, seconds: 1.0, guests: 1, cases },
        )
    }

    #[test]
    fn who_writes_it_down_has_to_notice_and_nobody_else_may() {
        let record = "fences/by_access_mode";
        let (here, there) = (format!("{record}@udmabuf"), format!("{record}@system-heap"));
        assert!(judged(&[(&here, "other"), (&there, "pass"), ("fences/error@udmabuf", "pass")]).is_green());
        assert_eq!(judged(&[(&here, "pass")]).blind, [record]);
        assert_eq!(judged(&[(&here, "XPASS"), (&there, "FAIL")]).complaints.len(), 1);
        assert_eq!(judged(&[(&here, "other"), ("fences/error@udmabuf", "FAIL")]).complaints.len(), 1);
        let broken = judged(&[(&here, "BROKEN")]);
        assert_eq!((broken.complaints.len(), broken.blind.len()), (1, 1), "what is broken has seen nothing");
    }
}
