//! Files kept beside recordings and report: small inputs of the run, and the transcripts.

use std::fs;
use std::path::Path;

use harness::error::{Context, ErrorKind, Result, io};
use harness::host::process::quote;
use harness::report::provenance::{PendingProvenance, Provenance};
use harness::report::run_report::RunReport;

use crate::run::pipeline::BuiltKernel;
use crate::run::run_directory::write;
use crate::settings;
use crate::workspace;

/// Environment variables to record: they decide where files are. Others do not affect verdicts.
const VARIABLES: [&str; 3] = ["XDG_CACHE_HOME", "CARGO_TARGET_DIR", "DEBIAN_MIRROR"];

/// Starts to collect the versions of all tools of a run.
pub fn provenance() -> PendingProvenance {
    let words = ["cargo".to_string(), "xtask".to_string()].into_iter().chain(std::env::args().skip(1));
    PendingProvenance::begin(&workspace::root(), env!("CARGO_PKG_VERSION"), words.collect())
}

/// Writes the inputs: `command`, `provenance.json`, `kernel.config` and `series/`.
///
/// # Errors
/// [`ErrorKind::Host`] when a file cannot be written.
pub fn before(dir: &Path, made: &BuiltKernel, provenance: &Provenance) -> Result<()> {
    without_series(dir, &made.image.dir.join("config"), provenance)?;
    let series = dir.join("series");
    fs::create_dir_all(&series).map_err(|error| io(&error, "creating", &series))?;
    for (index, patch) in made.patches.iter().enumerate() {
        let path = series.join(file_name(index + 1, &patch.name));
        fs::write(&path, &patch.text).map_err(|error| io(&error, "writing", &path))?;
    }
    Ok(())
}

/// The same without patches, with the path of the kernel configuration.
///
/// # Errors
/// As [`before`].
pub fn without_series(dir: &Path, config: &Path, provenance: &Provenance) -> Result<()> {
    write(&dir.join("command"), &command(provenance)?)?;
    let text = serde_json::to_string_pretty(provenance).context(ErrorKind::Internal, || "encoding versions".into())?;
    write(&dir.join("provenance.json"), &(text + "\n"))?;
    fs::copy(config, dir.join("kernel.config")).map(drop).map_err(|error| io(&error, "copying", config))
}

/// Writes the transcripts, one file for each case that began, in the format of snapshots.
///
/// # Errors
/// [`ErrorKind::Host`] when a file cannot be written.
pub fn after(dir: &Path, report: &RunReport) -> Result<()> {
    let transcripts = dir.join("transcripts");
    fs::create_dir_all(&transcripts).map_err(|error| io(&error, "creating", &transcripts))?;
    for run in report.verdicts.iter().filter_map(|verdict| verdict.run.as_ref()) {
        let name = run.key.to_string().replace('/', "__");
        write(&transcripts.join(name + ".txt"), &run.text())?;
    }
    Ok(())
}

/// The command line, to be pasted into a shell, with the settings as comments.
fn command(provenance: &Provenance) -> Result<String> {
    let here = std::env::current_dir().map_err(|error| io(&error, "finding", Path::new(".")))?;
    let set = VARIABLES.into_iter().filter_map(|name| Some((name, std::env::var(name).ok()?)));
    let exports: String = set.map(|(name, value)| format!("export {name}={}\n", quote(&value))).collect();
    let words: Vec<String> = provenance.command.iter().map(|word| quote(word)).collect();
    let set: String = settings::elsewhere().iter().map(|line| format!("# {line}\n")).collect();
    Ok(format!("{set}{exports}cd {}\n{}\n", quote(&here.to_string_lossy()), words.join(" ")))
}

/// A number that keeps the order, and a safe file name made from the name of the patch.
fn file_name(number: usize, name: &str) -> String {
    let base = name.rsplit('/').next().unwrap_or(name);
    let numbered = base.trim_start_matches(|c: char| c.is_ascii_digit());
    let base = if numbered.len() < base.len() { numbered.trim_start_matches('-') } else { base };
    let safe = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' };
    let base: String = base.chars().map(safe).take(80).collect();
    let base = base.strip_suffix(".patch").unwrap_or(&base);
    format!("{number:04}-{base}.patch")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_names_of_patches_are_numbered_and_safe() {
        for (number, name, file) in [
            (1, "0001-dma-buf-add-derive.patch", "0001-dma-buf-add-derive.patch"),
            (3, "/a/b/no-access-check.patch", "0003-no-access-check.patch"),
            (2, "../..; rm x", "0002-..--rm-x.patch"),
            (4, "0123-", "0004-.patch"),
            (10, "7.patch", "0010-.patch"),
        ] {
            assert_eq!(file_name(number, name), file);
        }
    }
}
