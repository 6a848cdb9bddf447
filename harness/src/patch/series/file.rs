//! A file with patches: a diff, a mail or an mbox, which may be compressed with gzip.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use flate2::read::MultiGzDecoder;

use super::message::{Mail, holds_diff};
use super::text::without_returns;
use super::thread::Chosen;
use super::{Patch, mbox, thread};
use crate::error::{Error, ErrorKind, Result, io};

/// Maximum size of a series, in bytes; a long thread has a few megabytes.
pub const LIMIT: usize = 64 << 20;
/// What some editors put before UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The contents of a file.
pub enum SeriesInput {
    /// A diff, with or without text before it.
    Diff(Vec<u8>),
    /// Mails.
    Mails(Vec<Mail>),
}

/// Reads a file of at most `room` uncompressed bytes, and subtracts its size from `room`.
///
/// # Errors
/// [`ErrorKind::Patch`] when it is larger or is not a patch or mail; [`ErrorKind::Host`] when it cannot be read.
pub fn read(path: &Path, room: &mut usize) -> Result<SeriesInput> {
    let what = path.display().to_string();
    let mut bytes = bounded(File::open(path).map_err(|error| io(&error, "opening", path))?, path, *room)?;
    if bytes.starts_with(&[0x1f, 0x8b]) {
        let packed = std::mem::take(&mut bytes);
        bytes = bounded(MultiGzDecoder::new(packed.as_slice()), path, *room).map_err(|error| match error.kind {
            ErrorKind::Patch => error,
            _ => Error::new(ErrorKind::Patch, format!("{what} is damaged")).cause(error.cause).next("Fetch it again."),
        })?;
    }
    *room -= bytes.len();
    contents(bytes, &what)
}

fn contents(bytes: Vec<u8>, what: &str) -> Result<SeriesInput> {
    let no_patch = |why: &str| {
        Error::new(ErrorKind::Patch, format!("{what} contains no patch"))
            .cause(why)
            .next("A series is a directory of *.patch files, a patch, or mails as an archive or b4 saves them.")
    };
    let marked = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&bytes);
    let text = marked.trim_ascii_start();
    if text.is_empty() {
        return Err(no_patch("it is empty"));
    }
    if mbox::is_mbox(text) {
        return Ok(SeriesInput::Mails(mbox::mails(text)));
    }
    if mbox::starts_with_from(text) {
        return Err(no_patch("it starts as an mbox, but no mail follows the first line"));
    }
    if mbox::is_mail(text) || mbox::is_headed(text) {
        return Ok(SeriesInput::Mails(vec![Mail::read(text)]));
    }
    if holds_diff(text) {
        return Ok(SeriesInput::Diff(without_returns(bytes)));
    }
    let head = String::from_utf8_lossy(&text[..text.len().min(200)]).to_lowercase();
    if head.starts_with("<!doctype") || head.starts_with("<html") || head.starts_with("<?xml") {
        return Err(
            no_patch("it is a web page").next("Download the raw mail; mail archives offer it as mbox.gz or raw.")
        );
    }
    Err(no_patch("it is not a diff, a mail or an mbox"))
}

/// The patches of one file, for `--series FILE` and `--series FILE#v2`.
pub fn series(path: &Path, version: Option<u32>) -> Result<Chosen> {
    let what = path.display().to_string();
    match read(path, &mut LIMIT.clone())? {
        SeriesInput::Mails(mails) if version.is_some() || !named_patch(path) => thread::choose(&mails, &what, version),
        _ if version.is_some() => {
            Err(Error::new(ErrorKind::Usage, format!("{what} is a single patch without versions"))
                .next("Leave out the # and the text after it."))
        }
        contents => Ok(Chosen::all(alone(contents, path)?)),
    }
}

/// The patches in a file with these contents, as for `--series FILE` with an mbox.
///
/// # Errors
/// [`ErrorKind::Patch`] as [`series`].
pub fn of_bytes(bytes: Vec<u8>) -> Result<Chosen> {
    const WHAT: &str = "the series";
    match contents(bytes, WHAT)? {
        SeriesInput::Mails(mails) => thread::choose(&mails, WHAT, None),
        SeriesInput::Diff(text) => Ok(Chosen::all(vec![Patch { name: WHAT.into(), subject: None, text }])),
    }
}

/// Every patch in one file, without choosing a version: for a file of a directory, or for `--with`.
pub fn patches(path: &Path, room: &mut usize) -> Result<Vec<Patch>> {
    alone(read(path, room)?, path)
}

fn alone(contents: SeriesInput, path: &Path) -> Result<Vec<Patch>> {
    let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mails = match contents {
        SeriesInput::Diff(text) => return Ok(vec![Patch { name: file, subject: None, text }]),
        SeriesInput::Mails(mails) => mails,
    };
    let mut patches = thread::all(&mails, &path.display().to_string())?;
    if let [only] = patches.as_mut_slice() {
        only.name = file;
    }
    Ok(patches)
}

/// Whether the file name is that of a single patch.
pub fn named_patch(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "patch" || extension == "diff")
}

fn bounded(from: impl Read, path: &Path, room: usize) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(room as u64 + 1).read_to_end(&mut bytes).map_err(|error| io(&error, "reading", path))?;
    if bytes.len() > room {
        return Err(Error::new(ErrorKind::Patch, format!("{} is too large for a series", path.display()))
            .cause(format!("more than {} MiB of text", LIMIT >> 20))
            .next("Save only the thread of the series."));
    }
    Ok(bytes)
}
