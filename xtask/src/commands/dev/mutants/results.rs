//! What is known of mutants, on the disk: an interrupted run goes on where it was.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use cases::protocol::CaseKey;
use harness::error::{Context, ErrorKind, Result, io};
use harness::guest::initramfs::GuestBinary;
use harness::host::store::manifest::sha256_of;
use harness::kbuild::image::KernelImage;
use mutants::order::History;
use mutants::outcome::MutantOutcome;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::mutant::About;
use crate::workspace;

/// Version of the form of results; one with another is not used.
pub const SCHEMA: u32 = 2;

/// What became of one mutant, and how it was found out.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MutantResult {
    /// What it is.
    #[serde(flatten)]
    pub about: About,
    /// What became of it.
    #[serde(flatten)]
    pub outcome: MutantOutcome,
    /// Why it had a kernel of its own, if it had.
    pub own_kernel: Option<String>,
    /// Wall time of its guests.
    pub seconds: f64,
    /// How many guests there were.
    pub guests: usize,
    /// How each case came out that was run, in the order in which they were.
    pub cases: Vec<CaseWord>,
}

/// How a case came out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaseWord {
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

/// The kernel without a mutant: every case was as expected.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Baseline {
    /// How long each case took, in milliseconds of guest time.
    pub times: Vec<(CaseKey, u64)>,
    /// Wall time.
    pub seconds: f64,
}

/// The results about one image, for one guest program, one plan, and one way of running.
#[derive(Clone, Debug)]
pub struct Results {
    dir: PathBuf,
}

impl Results {
    /// The results that hold for these inputs.
    ///
    /// # Errors
    /// When the directory cannot be made.
    pub fn open(image: &KernelImage, guest: &GuestBinary, plan: &[CaseKey], all_cases: bool) -> Result<Self> {
        let plan: Vec<&str> = plan.iter().map(|key| key.0.as_str()).collect();
        let inputs =
            [&SCHEMA.to_string(), &image.facts.key, &sha256_of(&guest.bytes), &plan.join(" "), &all_cases.to_string()]
                .map(String::as_str)
                .join("\n");
        let dir = root().join(&sha256_of(inputs.as_bytes())[..16]);
        fs::create_dir_all(&dir).map_err(|error| io(&error, "creating", &dir))?;
        Ok(Results { dir })
    }

    /// Where they are.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Where the guests of a mutant leave their recordings.
    pub fn guests(&self, id: &str) -> PathBuf {
        self.dir.join("guests").join(id)
    }

    /// What is known of the kernel without a mutant.
    pub fn baseline(&self) -> Option<Baseline> {
        read(&self.dir.join("baseline.json"))
    }

    /// Remembers it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn set_baseline(&self, baseline: &Baseline) -> Result<()> {
        write(&self.dir.join("baseline.json"), baseline)
    }

    /// What is known of a mutant.
    pub fn of(&self, id: &str) -> Option<MutantResult> {
        read(&self.dir.join(format!("{id}.json")))
    }

    /// Remembers what became of one.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn set(&self, found: &MutantResult) -> Result<()> {
        write(&self.dir.join(format!("{}.json", found.about.id)), found)
    }
}

fn root() -> PathBuf {
    workspace::runs().join("mutants")
}

/// Which cases caught what in earlier runs.
pub fn history() -> History {
    read(&root().join("history.json")).unwrap_or_default()
}

/// Remembers it for the next run.
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
    // What cannot be understood is found out again.
    serde_json::from_str(&fs::read_to_string(path).ok()?).ok()
}

fn write<T: Serialize>(path: &Path, value: &T) -> Result<()> {
    let text = serde_json::to_string_pretty(value).context(ErrorKind::Internal, || "encoding a result".into())?;
    let fresh = path.with_extension(format!("{}.new", std::process::id()));
    fs::write(&fresh, text + "\n").map_err(|error| io(&error, "writing", &fresh))?;
    fs::rename(&fresh, path).map_err(|error| io(&error, "writing", path))
}
