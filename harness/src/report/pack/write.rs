//! Writes a pack.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;

use super::manifest::{FILE, PackManifest};
use crate::error::{Context, ErrorKind, Result, io};
use crate::host::process::check_interrupt;
use crate::host::store::manifest::{StoredFile, sha256, sha256_of};

/// The contents of a member.
#[derive(Debug)]
pub enum PackContents {
    /// The contents of this file.
    File(PathBuf),
    /// These bytes.
    Bytes(Vec<u8>),
}

/// The members of a new pack, by name.
#[derive(Debug, Default)]
pub struct Members(BTreeMap<String, PackContents>);

impl Members {
    /// Adds a file.
    pub fn file(&mut self, name: impl Into<String>, path: &Path) {
        self.0.insert(name.into(), PackContents::File(path.to_path_buf()));
    }

    /// Adds bytes.
    pub fn bytes(&mut self, name: impl Into<String>, bytes: impl Into<Vec<u8>>) {
        self.0.insert(name.into(), PackContents::Bytes(bytes.into()));
    }

    /// Sizes and checksums.
    ///
    /// # Errors
    /// [`ErrorKind::Host`] when a file cannot be read, [`ErrorKind::Interrupt`].
    pub fn facts(&self) -> Result<BTreeMap<String, StoredFile>> {
        let facts = |contents: &PackContents| match contents {
            PackContents::File(path) => {
                let size = path.metadata().map_err(|error| io(&error, "reading", path))?.len();
                Ok(StoredFile { size, sha256: sha256(path, |_| check_interrupt())? })
            }
            PackContents::Bytes(bytes) => Ok(StoredFile { size: bytes.len() as u64, sha256: sha256_of(bytes) }),
        };
        self.0.iter().map(|(name, contents)| Ok((name.clone(), facts(contents)?))).collect()
    }
}

/// Writes a pack to `path`. The file appears only when it is complete.
///
/// # Errors
/// [`ErrorKind::Host`] when a member cannot be read or the file cannot be written, [`ErrorKind::Interrupt`].
pub fn write(path: &Path, manifest: &PackManifest, members: &Members) -> Result<()> {
    let failed = |error: std::io::Error| io(&error, "writing", path);
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let unfinished = tempfile::Builder::new().prefix(".pack-").tempfile_in(parent).map_err(failed)?;
    // A better compression level saves a tenth of the size, but takes as long as running a guest.
    let gzip = GzEncoder::new(BufWriter::new(unfinished.as_file()), Compression::fast());
    let mut archive = tar::Builder::new(gzip);
    let text = serde_json::to_vec_pretty(manifest).context(ErrorKind::Internal, || "encoding a manifest".into())?;
    append(&mut archive, FILE, text.len() as u64, &text[..]).map_err(failed)?;
    for (name, contents) in &members.0 {
        check_interrupt()?;
        match contents {
            PackContents::Bytes(bytes) => append(&mut archive, name, bytes.len() as u64, &bytes[..]).map_err(failed)?,
            PackContents::File(path) => {
                let unreadable = |error: std::io::Error| io(&error, "reading", path);
                let file = File::open(path).map_err(unreadable)?;
                let size = file.metadata().map_err(unreadable)?.len();
                append(&mut archive, name, size, file).map_err(failed)?;
            }
        }
    }
    let mut writer = archive.into_inner().and_then(GzEncoder::finish).map_err(failed)?;
    writer.flush().map_err(failed)?;
    drop(writer);
    // Temporary files are private to their owner, but a pack is meant to be passed on.
    let readable = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    fs::set_permissions(unfinished.path(), readable).map_err(failed)?;
    unfinished.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}

/// Appends a member with name and contents only, so that packing again gives the same file.
fn append<W: Write>(
    archive: &mut tar::Builder<W>,
    name: &str,
    size: u64,
    contents: impl std::io::Read,
) -> std::io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_size(size);
    header.set_mode(0o644);
    header.set_mtime(0);
    header.set_entry_type(tar::EntryType::Regular);
    archive.append_data(&mut header, name, contents)
}
