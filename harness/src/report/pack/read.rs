//! Reading a pack that may come from anywhere.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use sha2::{Digest, Sha256};

use super::manifest::{FILE, LARGEST, ManifestError, PackManifest, shortened};
use super::{SUFFIX, VERSION, member};
use crate::error::{Context, Error, ErrorKind, Result};
use crate::guest::initramfs::GuestBinary;
use crate::host::process::check_interrupt;
use crate::judge::complaint::suppressions::Suppressions;
use crate::judge::context::{JudgeContext, needs_met};
use crate::judge::expectation::Expectations;
use crate::judge::expectation::known_defects::KnownDefects;
use crate::kbuild::image::{ImageFacts, KernelImage};
use crate::report::run_report::RunReport;

/// What may come behind the last member, in bytes: tar fills up to a block of 10 kB.
const PADDING: u64 = 1 << 20;

/// A pack that was unpacked, and is what its manifest says.
#[derive(Debug)]
pub struct Pack {
    /// What is in it.
    pub manifest: PackManifest,
    dir: PathBuf,
    file: PathBuf,
}

impl Pack {
    /// Unpacks `file` into `dir`, which is empty or is not there yet. No other place is written to.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] for what is no pack, a damaged one, or one of a later version; [`ErrorKind::Host`] when it cannot be read
    /// or unpacked; [`ErrorKind::Interrupt`].
    pub fn unpack(file: &Path, dir: &Path) -> Result<Pack> {
        let opened = File::open(file).map_err(|error| Error { kind: ErrorKind::Usage, ..unreadable(&error, file) })?;
        if opened.metadata().is_ok_and(|meta| !meta.is_file()) {
            return Err(foreign(file, "it is no file"));
        }
        let mut start = BufReader::with_capacity(1 << 20, opened);
        let head = io::BufRead::fill_buf(&mut start).map_err(|error| unreadable(&error, file))?;
        if !head.starts_with(&[0x1f, 0x8b]) {
            return Err(foreign(file, if head.is_empty() { "it is empty" } else { "it is not compressed with gzip" }));
        }
        let mut archive = tar::Archive::new(GzDecoder::new(start));
        // Raw: names and sizes that extensions of the format bring are read into memory, however long they are.
        let mut entries = archive.entries().map_err(|error| unreadable(&error, file))?.raw(true);
        let manifest = first(entries.next(), file)?;
        let mut seen = BTreeSet::new();
        for entry in entries {
            check_interrupt()?;
            let entry = entry.map_err(|error| broken(&error, file))?;
            seen.insert(take(entry, &manifest, &seen, dir, file)?);
        }
        if let Some(name) = manifest.members.keys().find(|name| !seen.contains(*name)) {
            return Err(damaged(file, &format!("{name} is missing")));
        }
        // Only at its end does a gzip stream say what it should have been.
        let mut rest = archive.into_inner().take(PADDING + 1);
        match io::copy(&mut rest, &mut io::sink()) {
            Ok(len) if len > PADDING => Err(foreign(file, "something else follows behind it")),
            Ok(_) => Ok(Pack { manifest, dir: dir.to_path_buf(), file: file.to_path_buf() }),
            Err(error) => Err(broken(&error, file)),
        }
    }

    /// Where a member is.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// The kernel as gdb reads it, if it was built with debug information.
    pub fn debug(&self) -> Option<PathBuf> {
        Some(self.path(member::DEBUG)).filter(|path| path.is_file())
    }

    /// The report of the run that was packed.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] when this program cannot read it.
    pub fn report(&self) -> Result<RunReport> {
        serde_json::from_slice(&self.bytes(member::REPORT)?)
            .context(ErrorKind::Usage, || self.other(member::REPORT))
            .map_err(|error| error.next(self.advice()))
    }

    /// What is known about its kernel.
    ///
    /// # Errors
    /// As [`Pack::report`].
    pub fn facts(&self) -> Result<ImageFacts> {
        serde_json::from_slice(&self.bytes(member::FACTS)?)
            .context(ErrorKind::Usage, || self.other(member::FACTS))
            .map_err(|error| error.next(self.advice()))
    }

    /// The configuration of its kernel.
    ///
    /// # Errors
    /// As [`Pack::report`].
    pub fn config(&self) -> Result<String> {
        self.text(member::CONFIG)
    }

    /// Its kernel.
    ///
    /// # Errors
    /// As [`Pack::report`].
    pub fn image(&self) -> Result<KernelImage> {
        Ok(KernelImage::outside_the_cache(self.path(member::KERNEL), self.path("kernel"), self.facts()?))
    }

    /// What its cases are judged by.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] when this checkout does not understand what the pack brings.
    pub fn context(&self) -> Result<JudgeContext> {
        Ok(JudgeContext {
            met: needs_met(&self.config()?, &self.facts()?),
            expectations: self.expectations()?,
            suppressions: self.suppressions()?,
        })
    }

    /// The program for its guests.
    ///
    /// # Errors
    /// [`ErrorKind::Host`] when it cannot be read.
    pub fn guest(&self) -> Result<GuestBinary> {
        GuestBinary::load(&self.path(member::GUEST))
    }

    /// What its transcripts are compared with.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] when its list of defects is not for the cases of this checkout.
    fn expectations(&self) -> Result<Expectations> {
        let identity = &self.manifest.identity;
        let defects = KnownDefects::parse(&self.text(member::KNOWN_DEFECTS)?)
            .map_err(|error| self.unfit(member::KNOWN_DEFECTS, &error))?;
        let snapshots = Expectations::new(&self.path(member::SNAPSHOTS));
        Ok(snapshots.on(&identity.version, &identity.reference).knowing(defects))
    }

    /// The complaints that are known.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] when this checkout does not understand the list.
    fn suppressions(&self) -> Result<Suppressions> {
        Suppressions::parse(&self.text(member::ALLOWED)?).map_err(|error| self.unfit(member::ALLOWED, &error))
    }

    /// How to get a checkout that understands this pack.
    pub fn advice(&self) -> String {
        match &self.manifest.suite.commit {
            Some(commit) => {
                format!("The pack was made by commit {commit} of the suite; a checkout of that one reads it.")
            }
            None => "Use the version of the suite that made the pack.".into(),
        }
    }

    fn unfit(&self, name: &str, error: &Error) -> Error {
        let cause = [error.title.as_str(), error.cause.as_str()].join("\n");
        Error::new(ErrorKind::Usage, self.other(name)).cause(cause.trim_end()).next(self.advice())
    }

    fn other(&self, name: &str) -> String {
        format!("{} of {} is not for this version of the suite", name, self.file.display())
    }

    fn bytes(&self, name: &str) -> Result<Vec<u8>> {
        let path = self.path(name);
        fs::read(&path).map_err(|error| crate::error::io(&error, "reading", &path))
    }

    fn text(&self, name: &str) -> Result<String> {
        Ok(String::from_utf8_lossy(&self.bytes(name)?).into_owned())
    }
}

/// The manifest, which is the first member.
fn first<R: Read>(entry: Option<io::Result<tar::Entry<'_, R>>>, file: &Path) -> Result<PackManifest> {
    let entry = match entry {
        None => return Err(foreign(file, "it is an empty archive")),
        // Whatever it was, it did not start as a pack does.
        Some(Err(error)) if is_cut(&error) => return Err(broken(&error, file)),
        Some(Err(error)) => return Err(foreign(file, &format!("it is no tar archive: {error}"))),
        Some(Ok(entry)) => entry,
    };
    if &*entry.path_bytes() != FILE.as_bytes() || !entry.header().entry_type().is_file() {
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        return Err(foreign(file, &format!("it starts with {:?} instead of {FILE}", shortened(&name))));
    }
    let mut text = Vec::new();
    entry.take(LARGEST + 1).read_to_end(&mut text).map_err(|error| broken(&error, file))?;
    if text.len() as u64 > LARGEST {
        return Err(foreign(file, &format!("its {FILE} has more than {} MiB", LARGEST >> 20)));
    }
    PackManifest::parse(&text).map_err(|fault| match fault {
        ManifestError::Foreign(how) => foreign(file, &how),
        ManifestError::Damaged(how) => damaged(file, &how),
        ManifestError::Newer(version) => {
            Error::new(ErrorKind::Usage, format!("{} is a pack of a later version", file.display()))
                .cause(format!("its format has version {version}, this program reads {VERSION}"))
                .next("Use a newer checkout of the suite: the one that made the pack, for instance.")
        }
    })
}

/// Writes one member into `dir`, if it is what the manifest says, and gives back its name.
fn take<R: Read>(
    mut entry: tar::Entry<'_, R>,
    manifest: &PackManifest,
    seen: &BTreeSet<String>,
    dir: &Path,
    file: &Path,
) -> Result<String> {
    let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
    if seen.contains(&name) {
        return Err(damaged(file, &format!("{name} is in it twice")));
    }
    // Names of the manifest are known to stay within a directory; a link of this name would still lead out of it.
    let facts = manifest.members.get(&name).filter(|_| entry.header().entry_type().is_file());
    let Some(facts) = facts else {
        return Err(damaged(file, &format!("it holds {:?}, of which its {FILE} does not know", shortened(&name))));
    };
    if entry.size() != facts.size {
        return Err(damaged(file, &format!("{name} has {} bytes instead of {}", entry.size(), facts.size)));
    }
    let path = dir.join(&name);
    let failed = |error: io::Error| crate::error::io(&error, "writing", &path);
    fs::create_dir_all(path.parent().unwrap_or(dir)).map_err(failed)?;
    let mut out = File::create_new(&path).map_err(failed)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 18];
    loop {
        let len = entry.read(&mut buffer).map_err(|error| broken(&error, file))?;
        if len == 0 {
            break;
        }
        check_interrupt()?;
        hasher.update(&buffer[..len]);
        out.write_all(&buffer[..len]).map_err(failed)?;
    }
    let sum: String = hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    if sum != facts.sha256 {
        return Err(damaged(file, &format!("{name} is not what was packed: its SHA-256 sum is another one")));
    }
    Ok(name)
}

fn is_cut(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::UnexpectedEof
}

/// An error of the stream: either the file is not all there, or not what it was. A disk that fails says so by a number.
fn broken(error: &io::Error, file: &Path) -> Error {
    match error {
        error if error.raw_os_error().is_some() => unreadable(error, file),
        error if is_cut(error) => damaged(file, "it is cut short"),
        error => damaged(file, &error.to_string()),
    }
}

fn unreadable(error: &io::Error, file: &Path) -> Error {
    let error = crate::error::io(error, "reading", file);
    if error.next.is_empty() { error.next("RefLookup at the path, and at the disk that it is on.") } else { error }
}

fn damaged(file: &Path, how: &str) -> Error {
    Error::new(ErrorKind::Usage, format!("{} is a damaged pack", file.display()))
        .cause(how)
        .next("Download or copy it again; compare the sums if it stays so. Nothing of it was used.")
}

fn foreign(file: &Path, how: &str) -> Error {
    Error::new(ErrorKind::Usage, format!("{} is no pack of this suite", file.display()))
        .cause(how)
        .next(format!("`cargo xtask repro pack` makes packs; their names end with {SUFFIX}. Nothing of it was used."))
}
