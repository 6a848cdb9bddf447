//! Results of mutants on disk, so that an interrupted run continues where it stopped.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use cases::protocol::CaseKey;
use harness::error::{Context, ErrorKind, Result, io};
use harness::guest::initramfs::GuestBinary;
use harness::host::store::manifest::sha256_of;
use harness::kbuild::image::KernelImage;
use mutants::case_order::History;
use mutants::outcome::MutantOutcome;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::mutant::MutantInfo;
use crate::workspace;

/// Version of the format; results of another version are ignored.
pub const SCHEMA: u32 = 2;

/// The result of one mutant.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MutantResult {
    /// Its description.
    #[serde(flatten)]
    pub about: MutantInfo,
    /// Its outcome.
    #[serde(flatten)]
    pub outcome: MutantOutcome,
    /// Why it had its own kernel; `None` if it was in the joint one.
    pub own_kernel: Option<String>,
    /// Wall time of its guests.
    pub seconds: f64,
    /// How many guests there were.
    pub guests: usize,
    /// The verdicts of the cases that were run, in order.
    pub cases: Vec<CaseVerdictRecord>,
}

/// The verdict on a case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaseVerdictRecord {
    /// The case.
    pub case: CaseKey,
    /// Its clause.
    pub clause: String,
    /// `contract`, `hazard` or `record`.
    pub judgement: String,
    /// The word of its verdict.
    pub verdict: String,
    /// What it said, where that was not as expected.
    pub how: Vec<String>,
}

/// A run on the kernel without a mutant in which every case was as expected.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Baseline {
    /// How long each case took, in milliseconds of guest time.
    pub times: Vec<(CaseKey, u64)>,
    /// Wall time.
    pub seconds: f64,
}

/// What is run on each mutant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunMode {
    /// Cases until the first violation, the most likely ones first.
    FirstViolation,
    /// Every case, the most likely ones first.
    AllCases,
    /// The suite as `cargo xtask test` runs it.
    Findings,
}

impl RunMode {
    fn word(self) -> &'static str {
        match self {
            RunMode::FirstViolation => "first violation",
            RunMode::AllCases => "all cases",
            RunMode::Findings => "findings",
        }
    }
}

/// The results for one image, guest program, plan and mode.
#[derive(Clone, Debug)]
pub struct Results {
    dir: PathBuf,
}

impl Results {
    /// The results for these inputs.
    ///
    /// # Errors
    /// When the directory cannot be created.
    pub fn open(image: &KernelImage, guest: &GuestBinary, plan: &[CaseKey], mode: RunMode) -> Result<Self> {
        let plan: Vec<&str> = plan.iter().map(|key| key.0.as_str()).collect();
        let inputs =
            [&SCHEMA.to_string(), &image.facts.key, &sha256_of(&guest.bytes), &plan.join(" "), mode.word()].join("\n");
        let dir = root().join(&sha256_of(inputs.as_bytes())[..16]);
        fs::create_dir_all(&dir).map_err(|error| io(&error, "creating", &dir))?;
        Ok(Results { dir })
    }

    /// Their directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The directory for the recordings of a mutant's guests.
    pub fn guests(&self, id: &str) -> PathBuf {
        self.dir.join("guests").join(id)
    }

    /// The saved baseline.
    pub fn baseline(&self) -> Option<Baseline> {
        read(&self.dir.join("baseline.json"))
    }

    /// Saves the baseline.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn set_baseline(&self, baseline: &Baseline) -> Result<()> {
        write(&self.dir.join("baseline.json"), baseline)
    }

    /// The saved result of a mutant, or of several at once.
    pub fn of<T: DeserializeOwned>(&self, id: &str) -> Option<T> {
        read(&self.dir.join(format!("{id}.json")))
    }

    /// Saves the result of a mutant, or of several at once.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn set(&self, id: &str, found: &impl Serialize) -> Result<()> {
        write(&self.dir.join(format!("{id}.json")), found)
    }
}

fn root() -> PathBuf {
    workspace::runs().join("mutants")
}

/// Which cases caught which mutants in earlier runs.
pub fn history() -> History {
    read(&root().join("history.json")).unwrap_or_default()
}

/// Saves the history for the next run.
///
/// # Errors
/// When it cannot be written.
pub fn set_history(history: &History) -> Result<()> {
    write(&root().join("history.json"), history)
}

/// Times by case.
pub fn times(baseline: &Baseline) -> BTreeMap<CaseKey, u64> {
    baseline.times.iter().cloned().collect()
}

fn read<T: DeserializeOwned>(path: &Path) -> Option<T> {
    // A damaged file counts as absent: the mutant is run again.
    serde_json::from_str(&fs::read_to_string(path).ok()?).ok()
}

fn write<T: Serialize>(path: &Path, value: &T) -> Result<()> {
    let text = serde_json::to_string_pretty(value).context(ErrorKind::Internal, || "encoding a result".into())?;
    let fresh = path.with_extension(format!("{}.new", std::process::id()));
    fs::write(&fresh, text + "\n").map_err(|error| io(&error, "writing", &fresh))?;
    fs::rename(&fresh, path).map_err(|error| io(&error, "writing", path))
}
