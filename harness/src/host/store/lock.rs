//! A lock of the cache: held by one process, waited for by others who are told whom they wait for.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::error::{Result, io};

const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// A held lock. The kernel frees it when the process dies, however it dies.
#[derive(Debug)]
pub struct StoreLock {
    file: File,
    path: PathBuf,
}

impl StoreLock {
    /// Waits for the lock. `tell` gets one line when somebody else holds it; `interrupted` ends the wait.
    ///
    /// # Errors
    /// That of `interrupted`; `ErrorKind::Host` when the file cannot be made or locked.
    pub fn take(
        path: &Path,
        name: &str,
        tell: impl Fn(&str),
        interrupted: &dyn Fn() -> Result<()>,
    ) -> Result<StoreLock> {
        let mut lock = wait(path, name, File::try_lock, tell, interrupted)?;
        // Only people read this, so a full disk does not matter here.
        let _ = lock.sign();
        Ok(lock)
    }

    /// As [`StoreLock::take`] for a lock that several may hold at once, and nobody alone meanwhile.
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

    /// The lock, if nobody holds it.
    pub fn try_take(path: &Path) -> Option<StoreLock> {
        let file = open(path).ok()?;
        file.try_lock().ok()?;
        Some(StoreLock { file, path: path.to_path_buf() })
    }

    /// One more handle; the lock is held until the last one is closed, in whatever process.
    ///
    /// # Errors
    /// When this process has no descriptor left.
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
        // Unlocked by closing; the name goes first, so that nobody is told of a holder that is done. The file itself
        // stays: removing it would let two processes lock two different files of one name.
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
            tell(&format!("waiting for {}, which holds {name}", holder(&mut file)));
        }
        interrupted()?;
        std::thread::sleep(LOOK_AGAIN);
    }
}

fn open(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)
}

/// Who holds the lock, as far as the file tells.
fn holder(file: &mut File) -> String {
    let mut text = String::new();
    let _ = file.seek(SeekFrom::Start(0)).and_then(|_| file.read_to_string(&mut text));
    let mut lines = text.lines();
    let (Some(pid), Some(command), Some(since)) = (lines.next(), lines.next(), lines.next()) else {
        return "another process".to_string();
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let age = now.saturating_sub(since.parse().unwrap_or(now));
    format!("process {pid} ({command}, at it for {age} s)")
}
