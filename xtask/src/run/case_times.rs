//! How long each case took when it last ran, so that guests that run at the same time get equal shares.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::{fs, io};

use harness::report::run_report::RunReport;
use harness::session::shares::CaseTimes;

use crate::workspace;

/// The times of earlier runs of a flavour in this checkout. Without a file, or if it cannot be read, nothing is known.
pub fn load(flavour: &str) -> CaseTimes {
    load_from(&file(flavour))
}

/// Adds the times of a run. If they cannot be written, later runs take the older ones.
pub fn learn(report: &RunReport) {
    let _ = learn_in(&file(&report.setting.flavour), report);
}

/// Each flavour has its own: what takes long with a sanitizer, or on another architecture, need not take long without.
fn file(flavour: &str) -> PathBuf {
    workspace::runs().join(format!("case-times-{flavour}.json"))
}

fn load_from(file: &Path) -> CaseTimes {
    fs::read(file).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
}

fn learn_in(file: &Path, report: &RunReport) -> io::Result<()> {
    let mut times = load_from(file);
    let runs = report.verdicts.iter().filter_map(|verdict| verdict.run.as_ref());
    times.extend(runs.filter_map(|run| run.outcome.as_ref().map(|_| (run.key.clone(), run.ms))));
    let mut new = tempfile::NamedTempFile::new_in(file.parent().unwrap_or(Path::new(".")))?;
    new.write_all(&serde_json::to_vec(&times)?)?;
    // Another run may write it at the same time.
    new.persist(file)?;
    Ok(())
}
