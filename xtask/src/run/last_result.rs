//! The last verdict on each case, from the reports of this checkout's runs.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use cases::case::Case;
use cases::protocol::CaseKey;
use harness::judge::verdict::Verdict;
use harness::report::run_report::{OLDEST, RunReport, SCHEMA};

use crate::run::run_directory;
use crate::workspace;

/// How many runs to read. Hundreds may be kept, and each report is about a megabyte.
const RUNS: usize = 20;

/// The newest verdict on every case and exporter, with kernel and series.
#[derive(Debug, Default)]
pub struct LastResults {
    newest: BTreeMap<CaseKey, (String, String)>,
}

impl LastResults {
    /// Reads the reports of the newest runs. Reports that cannot be read or have another version are ignored.
    pub fn load() -> Self {
        Self::below(&workspace::runs())
    }

    fn below(runs: &Path) -> Self {
        let newest_first = run_directory::numbers(runs).into_iter().rev().take(RUNS);
        let newest_first = newest_first.map(|number| run_directory::place(runs, number));
        let mut newest = BTreeMap::new();
        for dir in newest_first.flat_map(cells) {
            let text = fs::read_to_string(dir.join("report.json")).unwrap_or_default();
            let Ok(report) = serde_json::from_str::<RunReport>(&text) else { continue };
            if !(OLDEST..=SCHEMA).contains(&report.schema) {
                continue;
            }
            let setting = &report.setting;
            let place = format!("Linux {}, series {}, {}", setting.version, setting.series, setting.flavour);
            for verdict in report.verdicts {
                let result = (place.clone(), in_words(&verdict.verdict));
                newest.entry(verdict.key).or_insert(result);
            }
        }
        LastResults { newest }
    }

    /// One line for each kernel and series on which this case last ran.
    pub fn of(&self, case: &Case) -> Vec<String> {
        let mut places: Vec<(&str, Vec<String>)> = Vec::new();
        for key in case.keys() {
            let (place, word) = match self.newest.get(&key) {
                Some((place, word)) => (place.as_str(), word.as_str()),
                None => ("", "not run yet"),
            };
            let exporter = key.exporter();
            let text = match key.variant() {
                Some(variant) => format!("{word} on {exporter} ({variant})"),
                None => format!("{word} on {exporter}"),
            };
            match places.iter_mut().find(|(known, _)| *known == place) {
                Some((_, texts)) => texts.push(text),
                None => places.push((place, vec![text])),
            }
        }
        let line = |(place, texts): (&str, Vec<String>)| match place {
            "" => texts.join(", "),
            place => format!("{} ({place})", texts.join(", ")),
        };
        places.into_iter().map(line).collect()
    }
}

/// The directory of a run and those of its cells, in reverse order.
fn cells(run: PathBuf) -> Vec<PathBuf> {
    let entries = fs::read_dir(&run).into_iter().flatten().flatten();
    let mut cells: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    cells.sort();
    cells.push(run);
    cells.reverse();
    cells
}

fn in_words(verdict: &Verdict) -> String {
    let word = verdict.word();
    match verdict {
        Verdict::Failed { reasons } | Verdict::KnownDefect { reasons, .. } => {
            format!("{word}: {},", reasons.first().map_or("", String::as_str))
        }
        Verdict::Skipped { why, .. } | Verdict::UnexpectedSkip { why, .. } | Verdict::Broken { why } => {
            format!("{word}: {why},")
        }
        Verdict::Lost { how, .. } => format!("{word}: {how},"),
        _ => word.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(dir: &Path, number: u32, series: &str, verdicts: &[(&str, &str)]) {
        let verdicts: Vec<_> = verdicts
            .iter()
            .map(|(key, verdict)| {
                let mut verdict: serde_json::Value = serde_json::from_str(verdict).unwrap();
                let rest = serde_json::json!({
                    "key": key, "clause": "R-1", "judgement": "contract", "run": null, "complaints": [],
                });
                verdict.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
                verdict
            })
            .collect();
        let report = serde_json::json!({
            "schema": SCHEMA, "verdicts": verdicts, "protocol_errors": [], "guests": 1, "interrupted": false,
            "setting": { "kernel": "7.2", "version": "7.2.1", "origin": "a test", "series": series,
                         "flavour": "fast", "accel": "tcg", "image": "0", "built": false },
            "timing": { "kernel": 0.0, "guest_program": 0.0, "guests": 0.0 },
        });
        let run = dir.join(format!("run-{number}"));
        fs::create_dir(&run).unwrap();
        fs::write(run.join("report.json"), report.to_string()).unwrap();
    }

    #[test]
    fn the_newest_verdict_on_each_exporter_counts() {
        let dir = tempfile::tempdir().unwrap();
        let (heap, udmabuf) = ("rights/derive_table@system-heap", "rights/derive_table@udmabuf");
        let failed = r#"{"verdict":"failed","reasons":["O_RDWR was granted"]}"#;
        report(dir.path(), 9, "derive", &[(heap, r#"{"verdict":"pass"}"#), (udmabuf, r#"{"verdict":"pass"}"#)]);
        report(dir.path(), 10, "mine", &[(heap, failed)]);
        fs::create_dir(dir.path().join("run-11")).unwrap();
        fs::create_dir(dir.path().join("run-12")).unwrap();
        fs::rename(dir.path().join("run-10"), dir.path().join("run-12/7.2-mine-fast")).unwrap();
        let case = cases::suite::by_id("rights/derive_table").unwrap();
        let lines = LastResults::below(dir.path()).of(case);
        assert_eq!(
            lines,
            [
                "FAIL: O_RDWR was granted, on system-heap (Linux 7.2.1, series mine, fast)",
                "pass on udmabuf (Linux 7.2.1, series derive, fast)",
                "not run yet on vgem, not run yet on vivid",
            ]
        );
        let empty = tempfile::tempdir().unwrap();
        let never = "not run yet on system-heap, not run yet on udmabuf, not run yet on vgem, not run yet on vivid";
        assert_eq!(LastResults::below(empty.path()).of(case), [never]);
    }
}
