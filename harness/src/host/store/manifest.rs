//! Sizes and sums of the files of an entry, so that a damaged kernel is found before it is booted.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufReader, Read};
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::{Context, Error, ErrorKind, Result, io};

/// File name of the manifest in an entry.
pub const FILE: &str = "manifest.json";

/// How files are compared with their manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Sizes only: finds damage by a full disk or a power loss.
    Sizes,
    /// Sizes and SHA-256 sums: finds all damage, but reads every byte.
    Hashes,
}

/// Names, sizes and sums of the files of an entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreManifest {
    /// By path within the entry.
    pub files: BTreeMap<String, StoredFile>,
}

/// One file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredFile {
    /// In bytes.
    pub size: u64,
    /// In lower-case hexadecimal.
    pub sha256: String,
}

impl StoreManifest {
    /// Makes the manifest of a directory, and syncs its files to the disk.
    ///
    /// # Errors
    /// [`ErrorKind::Host`] when a file cannot be read.
    pub fn of(dir: &Path) -> Result<StoreManifest> {
        let mut files = BTreeMap::new();
        for entry in walkdir::WalkDir::new(dir).sort_by_file_name() {
            let entry = entry.context(ErrorKind::Host, || format!("reading {}", dir.display()))?;
            let name = entry.path().strip_prefix(dir).unwrap_or(entry.path()).to_string_lossy().into_owned();
            if !entry.file_type().is_file() || name == FILE {
                continue;
            }
            let failed = |error: std::io::Error| io(&error, "syncing", entry.path());
            let file = File::open(entry.path()).map_err(failed)?;
            file.sync_all().map_err(failed)?;
            let size = file.metadata().map_err(failed)?.len();
            files.insert(name, StoredFile { size, sha256: sha256(entry.path(), |_| Ok(()))? });
        }
        Ok(StoreManifest { files })
    }

    /// Writes the manifest into its directory.
    ///
    /// # Errors
    /// [`ErrorKind::Host`].
    pub fn write(&self, dir: &Path) -> Result<()> {
        let path = dir.join(FILE);
        let text =
            serde_json::to_string_pretty(self).context(ErrorKind::Internal, || "writing a manifest".to_string())?;
        fs::write(&path, text + "\n")
            .and_then(|()| File::open(&path)?.sync_all())
            .map_err(|error| io(&error, "writing", &path))
    }

    /// Reads the manifest of a directory.
    ///
    /// # Errors
    /// [`ErrorKind::Host`] when there is none or it is invalid.
    pub fn read(dir: &Path) -> Result<StoreManifest> {
        let path = dir.join(FILE);
        let text = fs::read_to_string(&path).map_err(|error| io(&error, "reading", &path))?;
        serde_json::from_str(&text).context(ErrorKind::Host, || format!("reading {}", path.display()))
    }

    /// The differences, one line each. Files that are not in the manifest are ignored.
    ///
    /// # Errors
    /// [`ErrorKind::Host`] when a file cannot be read.
    pub fn differences(&self, dir: &Path, depth: Depth) -> Result<Vec<String>> {
        let mut wrong = Vec::new();
        for (name, facts) in &self.files {
            let path = dir.join(name);
            match fs::metadata(&path) {
                Err(_) => wrong.push(format!("{name} is missing")),
                Ok(meta) if meta.len() != facts.size => {
                    wrong.push(format!("{name} has {} bytes instead of {}", meta.len(), facts.size));
                }
                Ok(_) if depth == Depth::Hashes && sha256(&path, |_| Ok(()))? != facts.sha256 => {
                    wrong.push(format!("{name} has a different SHA-256 sum"));
                }
                Ok(_) => {}
            }
        }
        Ok(wrong)
    }
}

/// The SHA-256 sum of a file in lower-case hexadecimal. `each` gets the number of bytes of each read; its error ends the
/// reading.
///
/// # Errors
/// [`ErrorKind::Host`] when the file cannot be read; that of `each`.
pub fn sha256(path: &Path, mut each: impl FnMut(u64) -> Result<()>) -> Result<String> {
    let failed = |error: std::io::Error| -> Error { io(&error, "reading", path) };
    let mut file = BufReader::new(File::open(path).map_err(failed)?);
    let mut buffer = vec![0; 1 << 20];
    let mut hasher = Sha256::new();
    loop {
        let len = file.read(&mut buffer).map_err(failed)?;
        if len == 0 {
            return Ok(hex(&hasher.finalize()));
        }
        hasher.update(&buffer[..len]);
        each(len as u64)?;
    }
}

/// The SHA-256 sum of some bytes in lower-case hexadecimal.
pub fn sha256_of(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
