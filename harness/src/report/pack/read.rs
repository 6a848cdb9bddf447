//! Reads a pack, which is not trusted.

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

/// How many bytes may follow the last member: tar pads to a block of 10 kB.
const PADDING: u64 = 1 << 20;

/// An unpacked pack that matches its manifest.
#[derive(Debug)]
pub struct Pack {
    /// Its manifest.
    pub manifest: PackManifest,
    dir: PathBuf,
    file: PathBuf,
}

impl Pack {
    /// Unpacks `file` into `dir`, which is empty or does not exist. Nothing is written anywhere else.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] for a file that is not a pack, is damaged, or has a later version; [`ErrorKind::Host`] when it cannot
    /// be read or unpacked; [`ErrorKind::Interrupt`].
    pub fn unpack(file: &Path, dir: &Path) -> Result<Pack> {
        let opened = File::open(file).map_err(|error| Error { kind: ErrorKind::Usage, ..unreadable(&error, file) })?;
        if opened.metadata().is_ok_and(|meta| !meta.is_file()) {
            return Err(foreign(file, "it is not a regular file"));
        }
        let mut start = BufReader::with_capacity(1 << 20, opened);
        let head = io::BufRead::fill_buf(&mut start).map_err(|error| unreadable(&error, file))?;
        if !head.starts_with(&[0x1f, 0x8b]) {
            return Err(foreign(file, if head.is_empty() { "it is empty" } else { "it is not compressed with gzip" }));
        }
        let mut archive = tar::Archive::new(GzDecoder::new(start));
        // Raw: otherwise long names from tar extensions are read into memory without a limit.
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
        // The checksum of a gzip stream is at its end.
        let mut rest = archive.into_inner().take(PADDING + 1);
        match io::copy(&mut rest, &mut io::sink()) {
            Ok(len) if len > PADDING => Err(foreign(file, "it is followed by other data")),
            Ok(_) => Ok(Pack { manifest, dir: dir.to_path_buf(), file: file.to_path_buf() }),
            Err(error) => Err(broken(&error, file)),
        }
    }

    /// The path of a member.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// The kernel with debug information, if it is in the pack.
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

    /// The facts about its kernel.
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

    /// How its cases are judged.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] when this version of the suite cannot read the expectations of the pack.
    pub fn context(&self) -> Result<JudgeContext> {
        Ok(JudgeContext {
            met: needs_met(&self.config()?, &self.facts()?),
            expectations: self.expectations()?,
            suppressions: self.suppressions()?,
            claims: self.report()?.setting.claims,
        })
    }

    /// The guest program.
    ///
    /// # Errors
    /// [`ErrorKind::Host`] when it cannot be read.
    pub fn guest(&self) -> Result<GuestBinary> {
        GuestBinary::load(&self.path(member::GUEST))
    }

    /// The expectations of the pack.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] when its list of defects does not match the cases of this checkout.
    fn expectations(&self) -> Result<Expectations> {
        let identity = &self.manifest.identity;
        let defects = KnownDefects::parse(&self.text(member::KNOWN_DEFECTS)?)
            .map_err(|error| self.unfit(member::KNOWN_DEFECTS, &error))?;
        let snapshots = Expectations::new(&self.path(member::SNAPSHOTS));
        Ok(snapshots.on(&identity.version, &identity.reference).knowing(defects))
    }

    /// The suppressions of the pack.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] when this version of the suite cannot read the list.
    fn suppressions(&self) -> Result<Suppressions> {
        Suppressions::parse(&self.text(member::ALLOWED)?).map_err(|error| self.unfit(member::ALLOWED, &error))
    }

    /// How to get a version of the suite that reads this pack.
    pub fn advice(&self) -> String {
        match &self.manifest.suite.commit {
            Some(commit) => {
                format!("Use commit {commit} of the suite, which made the pack.")
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
        Some(Err(error)) if is_cut(&error) => return Err(broken(&error, file)),
        Some(Err(error)) => return Err(foreign(file, &format!("it is not a tar archive: {error}"))),
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
    PackManifest::parse(&text).map_err(|error| match error {
        ManifestError::Foreign(how) => foreign(file, &how),
        ManifestError::Damaged(how) => damaged(file, &how),
        ManifestError::Newer(version) => {
            Error::new(ErrorKind::Usage, format!("{} has a later version of the pack format", file.display()))
                .cause(format!("it has version {version}, this program reads {VERSION}"))
                .next("Use a newer version of the suite, such as the one that made the pack.")
        }
    })
}

/// Writes one member into `dir`, if it matches the manifest, and returns its name.
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
    // Names in the manifest stay within the directory, but a link with such a name could point out of it.
    let facts = manifest.members.get(&name).filter(|_| entry.header().entry_type().is_file());
    let Some(facts) = facts else {
        return Err(damaged(file, &format!("it contains {:?}, which its {FILE} does not name", shortened(&name))));
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
        return Err(damaged(file, &format!("{name} was changed: its SHA-256 sum differs from the manifest")));
    }
    Ok(name)
}

fn is_cut(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::UnexpectedEof
}

/// An error of the stream: the file is incomplete or damaged. Errors of the disk have an OS error number.
fn broken(error: &io::Error, file: &Path) -> Error {
    match error {
        error if error.raw_os_error().is_some() => unreadable(error, file),
        error if is_cut(error) => damaged(file, "it is cut short"),
        error => damaged(file, &error.to_string()),
    }
}

fn unreadable(error: &io::Error, file: &Path) -> Error {
    let error = crate::error::io(error, "reading", file);
    if error.next.is_empty() { error.next("Check the path, and the disk that it is on.") } else { error }
}

fn damaged(file: &Path, how: &str) -> Error {
    Error::new(ErrorKind::Usage, format!("the pack {} is damaged", file.display()))
        .cause(how)
        .next("Download or copy it again, and compare the checksums. Nothing from it was used.")
}

fn foreign(file: &Path, how: &str) -> Error {
    Error::new(ErrorKind::Usage, format!("{} is not a pack of this suite", file.display()))
        .cause(how)
        .next(format!("`cargo xtask repro pack` makes packs; their names end with {SUFFIX}. Nothing from it was used."))
}
