//! A lock of the cache. A process that waits for it prints which process holds it.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::error::{Result, io};

const POLL: Duration = Duration::from_millis(100);

/// A held lock. The kernel frees it when the process dies, however it dies.
#[derive(Debug)]
pub struct StoreLock {
    file: File,
    path: PathBuf,
}

impl StoreLock {
    /// Waits for the lock. `tell` gets one line if another process holds it; an error of `interrupted` ends the wait.
    ///
    /// # Errors
    /// That of `interrupted`; `ErrorKind::Host` when the file cannot be created or locked.
    pub fn take(
        path: &Path,
        name: &str,
        tell: impl Fn(&str),
        interrupted: &dyn Fn() -> Result<()>,
    ) -> Result<StoreLock> {
        let mut lock = wait(path, name, File::try_lock, tell, interrupted)?;
        // It is only for messages, so a full disk does not matter.
        let _ = lock.sign();
        Ok(lock)
    }

    /// As [`StoreLock::take`], but a shared lock.
    ///
    /// # Errors
    /// As [`StoreLock::take`].
    pub fn share(
        path: &Path,
        name: &str,
        tell: impl Fn(&str),
        interrupted: &dyn Fn() -> Result<()>,
    ) -> Result<StoreLock> {
        wait(path, name, File::try_lock_shared, tell, interrupted)
    }

    /// The lock, or None if another process holds it.
    pub fn try_take(path: &Path) -> Option<StoreLock> {
        let file = open(path).ok()?;
        file.try_lock().ok()?;
        Some(StoreLock { file, path: path.to_path_buf() })
    }

    /// Another descriptor of the lock. The lock is held until the last one is closed, in any process.
    ///
    /// # Errors
    /// When this process is out of descriptors.
    pub fn handle(&self) -> std::io::Result<File> {
        self.file.try_clone()
    }

    /// The lock file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn sign(&mut self) -> std::io::Result<()> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let command: Vec<String> =
            std::env::args().map(|arg| arg.rsplit('/').next().unwrap_or_default().to_string()).collect();
        self.file.set_len(0)?;
        self.file.seek(SeekFrom::Start(0))?;
        write!(self.file, "{}\n{}\n{now}\n", std::process::id(), command.join(" "))
    }
}

impl Drop for StoreLock {
    fn drop(&mut self) {
        // Clears the holder first, so that nobody prints one that is done. The file stays: if it were removed, two processes
        // could lock two different files of this name.
        let _ = self.file.set_len(0);
        let _ = self.file.unlock();
    }
}

fn wait(
    path: &Path,
    name: &str,
    attempt: impl Fn(&File) -> Result<(), TryLockError>,
    tell: impl Fn(&str),
    interrupted: &dyn Fn() -> Result<()>,
) -> Result<StoreLock> {
    let mut file = open(path).map_err(|error| io(&error, "opening the lock", path))?;
    let mut told = false;
    loop {
        match attempt(&file) {
            Ok(()) => return Ok(StoreLock { file, path: path.to_path_buf() }),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(io(&error, "locking", path)),
        }
        if !told {
            told = true;
            tell(&format!("waiting for {}, which holds the lock {name}", holder(&mut file)));
        }
        interrupted()?;
        std::thread::sleep(POLL);
    }
}

fn open(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)
}

/// The holder of the lock, from the contents of the file.
fn holder(file: &mut File) -> String {
    let mut text = String::new();
    let _ = file.seek(SeekFrom::Start(0)).and_then(|_| file.read_to_string(&mut text));
    let mut lines = text.lines();
    let (Some(pid), Some(command), Some(since)) = (lines.next(), lines.next(), lines.next()) else {
        return "another process".to_string();
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let age = now.saturating_sub(since.parse().unwrap_or(now));
    format!("process {pid} ({command}, for {age} s)")
}
