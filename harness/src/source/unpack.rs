//! Unpacks archives: pipes a stream through a decompressor and tar, and counts its bytes.

use std::fs::{self, File};
use std::io::{PipeReader, PipeWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use crate::error::{Error, ErrorKind, Result, io};
use crate::host::process::{Cmd, Running, check_interrupt, tail};
use crate::host::progress::Task;

/// The tar magic is in the first block, the magic of a compressor at its start.
const HEAD: usize = 512;
/// Bytes of error output to keep: tar can print the same error for each of ninety thousand files.
const MAX_ERRORS: usize = 16 * 1024;

/// Children connected by pipes, and one pipe for the error output of all.
struct Pipeline {
    children: Vec<(String, Running)>,
    errors: PipeWriter,
    reader_thread: JoinHandle<String>,
    full: Arc<AtomicBool>,
}

impl Pipeline {
    fn new() -> Result<Self> {
        let (reader, errors) = pipe()?;
        let full = Arc::new(AtomicBool::new(false));
        let seen = full.clone();
        let reader_thread = std::thread::spawn(move || read_errors(reader, &seen));
        Ok(Pipeline { children: Vec::new(), errors, reader_thread, full })
    }

    fn add(&mut self, cmd: &Cmd, stdin: Stdio, stdout: Stdio) -> Result<()> {
        let errors = self.errors.try_clone().map_err(|error| broken_pipe(&error))?;
        self.children.push((cmd.quoted(), cmd.start(stdin, stdout, errors.into())?));
        Ok(())
    }

    /// Waits for all children. Returns their error output, and command and status of those that failed.
    fn end(self) -> Result<(String, Vec<String>)> {
        let mut failed = Vec::new();
        let mut children = self.children;
        if self.full.load(Ordering::Relaxed) {
            // On a full disk tar would still try all other files.
            children.iter_mut().for_each(|(_, running)| running.kill_group());
        }
        for (command, running) in &mut children {
            let status = running.finish()?;
            if !status.success() {
                failed.push(format!("{command}: {status}"));
            }
        }
        drop(self.errors);
        Ok((self.reader_thread.join().unwrap_or_default(), failed))
    }
}

/// Unpacks a tar archive, compressed or not, into an existing directory. `task` counts the bytes of the archive.
///
/// # Errors
/// [`ErrorKind::Source`] when the archive is damaged or tries to write elsewhere, [`ErrorKind::Host`] when the disk is full or
/// a tool is missing, [`ErrorKind::Interrupt`].
pub fn extract(mut packed: impl Read, what: &str, into: &Path, task: &Task) -> Result<()> {
    let mut head = Vec::with_capacity(HEAD);
    packed.by_ref().take(HEAD as u64).read_to_end(&mut head).map_err(|error| unreadable(&error, what))?;
    // tar cannot write outside the directory: it drops leading slashes, rejects "..", and creates symbolic links last.
    let tar =
        Cmd::new("tar").args(["--extract", "--file=-", "--no-same-owner", "--no-same-permissions", "--directory"]);
    let tar = tar.path(into);
    let mut pipeline = Pipeline::new()?;
    let (reader, writer) = pipe()?;
    match decompressor(&head, what)? {
        None => pipeline.add(&tar, reader.into(), Stdio::null())?,
        Some(cmd) => {
            let (unpacked, stdout) = pipe()?;
            pipeline.add(&cmd, reader.into(), stdout.into())?;
            pipeline.add(&tar, unpacked.into(), Stdio::null())?;
        }
    }
    pump(head, packed, writer, what, task, &pipeline.full)?;
    let full = pipeline.full.clone();
    let (errors, failed) = pipeline.end()?;
    check_interrupt()?;
    if full.load(Ordering::Relaxed) {
        return Err(io(&std::io::ErrorKind::StorageFull.into(), &format!("unpacking {what} into"), into));
    }
    if failed.is_empty() {
        return Ok(());
    }
    let cause = format!("{}\n{}", tail(&errors, 10), failed.join("\n"));
    Err(Error::new(ErrorKind::Source, format!("{what} cannot be unpacked"))
        .cause(cause.trim_start())
        .next("It is damaged, incomplete, or not an archive of a kernel tree. Nothing of it was kept."))
}

/// Streams the packed kernel tree inside a Debian package to `then`.
///
/// # Errors
/// Those of `then`; [`ErrorKind::Source`] when the package is damaged, [`ErrorKind::Host`] when a tool is missing.
pub fn inside_deb<T>(deb: &Path, then: impl FnOnce(PipeReader) -> Result<T>) -> Result<T> {
    let mut pipeline = Pipeline::new()?;
    let (files, stdout) = pipe()?;
    let (tree, member) = pipe()?;
    pipeline.add(&Cmd::new("dpkg-deb").arg("--fsys-tarfile").path(deb), Stdio::null(), stdout.into())?;
    let pick = ["--extract", "--file=-", "--to-stdout", "--wildcards", "./usr/src/linux-source-*.tar.*"];
    pipeline.add(&Cmd::new("tar").args(pick), files.into(), member.into())?;
    // An error here is more precise: the children fail only because nobody reads their output.
    let value = then(tree)?;
    let (errors, failed) = pipeline.end()?;
    if failed.is_empty() {
        return Ok(value);
    }
    let cause = format!("{}\n{}", tail(&errors, 10), failed.join("\n"));
    Err(Error::new(ErrorKind::Source, format!("{} cannot be unpacked", deb.display()))
        .cause(cause.trim_start())
        .next("It may be damaged: try again with --refresh."))
}

/// Starts a program and streams its standard output to `then`.
///
/// # Errors
/// Those of `then`; [`ErrorKind::Source`] when the program fails.
pub fn printed_by<T>(cmd: &Cmd, what: &str, then: impl FnOnce(PipeReader) -> Result<T>) -> Result<T> {
    let mut pipeline = Pipeline::new()?;
    let (printed, stdout) = pipe()?;
    pipeline.add(cmd, Stdio::null(), stdout.into())?;
    let value = then(printed);
    let (errors, failed) = pipeline.end()?;
    if failed.is_empty() || value.as_ref().is_err_and(|error| error.kind != ErrorKind::Source) {
        return value;
    }
    // The reader fails too, because the output is incomplete. This error says why.
    Err(Error::new(ErrorKind::Source, format!("{what} cannot be unpacked"))
        .cause(tail(&errors, 10))
        .next("It may be damaged or incomplete: fetch it again and compare its sum."))
}

/// The only directory at the top of an archive.
///
/// # Errors
/// [`ErrorKind::Source`] when there is more or less than one.
pub fn single_top(unpacked: &Path, what: &str) -> Result<PathBuf> {
    let failed = |error: std::io::Error| io(&error, "reading", unpacked);
    let entries: Vec<_> = fs::read_dir(unpacked).map_err(failed)?.collect::<std::io::Result<_>>().map_err(failed)?;
    match entries.as_slice() {
        [top] if top.file_type().is_ok_and(|kind| kind.is_dir()) => Ok(top.path()),
        _ => {
            let names: Vec<_> =
                entries.iter().take(5).map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
            Err(Error::new(ErrorKind::Source, format!("{what} does not have exactly one top directory"))
                .cause(format!("{} entries at its top: {} ...", entries.len(), names.join(", ")))
                .next("Pack a kernel tree as `git archive --prefix=linux/` does."))
        }
    }
}

fn pump(
    head: Vec<u8>,
    mut packed: impl Read,
    mut sink: PipeWriter,
    what: &str,
    task: &Task,
    full: &AtomicBool,
) -> Result<()> {
    let mut buffer = head;
    let mut len = buffer.len();
    loop {
        match sink.write_all(&buffer[..len]) {
            Ok(()) => task.inc(len as u64),
            // The reader has ended: its status and error output say why.
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => return Ok(()),
            Err(error) => return Err(broken_pipe(&error)),
        }
        check_interrupt()?;
        if full.load(Ordering::Relaxed) {
            return Ok(());
        }
        buffer.resize(256 * 1024, 0);
        len = packed.read(&mut buffer).map_err(|error| unreadable(&error, what))?;
        if len == 0 {
            return Ok(());
        }
    }
}

fn decompressor(head: &[u8], what: &str) -> Result<Option<Cmd>> {
    let program = match head {
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => "xz",
        [0x1f, 0x8b, ..] => "gzip",
        [b'B', b'Z', b'h', ..] => "bzip2",
        [0x28, 0xb5, 0x2f, 0xfd, ..] => "zstd",
        _ if head.get(257..262) == Some(b"ustar") => return Ok(None),
        _ => {
            return Err(Error::new(ErrorKind::Source, format!("{what} is not a tar archive"))
                .cause("neither tar nor tar compressed with xz, gzip, bzip2 or zstd")
                .next("It is damaged, incomplete, or another kind of file. Nothing of it was kept."));
        }
    };
    let cmd = Cmd::new(program).args(["--decompress", "--stdout"]);
    // Debian's trees are packed in blocks, which xz unpacks on all CPUs; older versions ignore the option.
    Ok(Some(if program == "xz" { cmd.arg("--threads=0") } else { cmd }))
}

fn read_errors(mut reader: PipeReader, full: &AtomicBool) -> String {
    let mut text = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(len @ 1..) = reader.read(&mut buffer) {
        if text.len() < MAX_ERRORS {
            text.extend_from_slice(&buffer[..len]);
            let so_far = String::from_utf8_lossy(&text);
            if so_far.contains("No space left on device") || so_far.contains("Disk quota exceeded") {
                full.store(true, Ordering::Relaxed);
            }
        }
    }
    String::from_utf8_lossy(&text).into_owned()
}

fn pipe() -> Result<(PipeReader, PipeWriter)> {
    std::io::pipe().map_err(|error| broken_pipe(&error))
}

fn broken_pipe(error: &std::io::Error) -> Error {
    Error::new(ErrorKind::Host, "a pipe between two programs failed")
        .cause(error)
        .next("Something killed one of them; try again.")
}

fn unreadable(error: &std::io::Error, what: &str) -> Error {
    Error::new(ErrorKind::Host, format!("{what} cannot be read"))
        .cause(error)
        .next("It may be damaged or incomplete: fetch it again.")
}

/// Opens a packed file.
///
/// # Errors
/// [`ErrorKind::Source`] when it does not exist, [`ErrorKind::Host`] when it cannot be read.
pub fn open(path: &Path) -> Result<(File, u64)> {
    let file = File::open(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Error::new(ErrorKind::Source, format!("there is no file {}", path.display()))
            .next("Check the path; a relative path starts at the current directory."),
        _ => io(&error, "opening", path),
    })?;
    let len = file.metadata().map_err(|error| io(&error, "reading", path))?.len();
    Ok((file, len))
}
