//! The guest's root file system: /init, the plan, and a console node. It is not compressed, because decompressing on an
//! emulated processor is slower than copying.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use cases::kselftest;
use cases::protocol::CaseKey;
use cases::selinux;
use cpio::newc::{Builder, ModeFileType, trailer};

use crate::error::{Result, io};

/// An initramfs file.
#[derive(Debug)]
pub struct Initramfs {
    /// Its path.
    pub path: PathBuf,
}

/// The static guest program.
#[derive(Clone, Debug)]
pub struct GuestBinary {
    /// Its bytes.
    pub bytes: Vec<u8>,
}

impl GuestBinary {
    /// Reads the program from a file.
    ///
    /// # Errors
    /// [`crate::error::ErrorKind::Host`] when it cannot be read.
    pub fn load(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(|error| io(&error, "reading", path))?;
        Ok(GuestBinary { bytes })
    }
}

impl Initramfs {
    /// Packs the program and the plan into `path` (format: Documentation/driver-api/early-userspace/buffer-format.rst).
    ///
    /// # Errors
    /// [`crate::error::ErrorKind::Host`] when the file cannot be written.
    pub fn pack(path: &Path, guest: &GuestBinary, plan: &[CaseKey]) -> Result<Self> {
        Initramfs::pack_plan(path, guest, plan, Vec::new())
    }

    /// The same with an SELinux policy, which the guest loads before the cases.
    ///
    /// # Errors
    /// As [`Initramfs::pack`], and when the policy cannot be read.
    pub fn pack_confined(path: &Path, guest: &GuestBinary, plan: &[CaseKey], policy: &Path) -> Result<Self> {
        let compiled = std::fs::read(policy).map_err(|error| io(&error, "reading", policy))?;
        let entry = (selinux::POLICY.trim_start_matches('/').into(), 0o644, &compiled[..]);
        Initramfs::pack_plan(path, guest, plan, vec![entry])
    }

    /// The same with other programs, by name. If there are any, the guest runs them instead of cases.
    ///
    /// # Errors
    /// As [`Initramfs::pack`].
    pub fn pack_with(path: &Path, guest: &GuestBinary, plan: &[CaseKey], others: &[(&str, &[u8])]) -> Result<Self> {
        let below = kselftest::DIR.trim_start_matches('/');
        let others = others.iter().map(|(name, bytes)| (format!("{below}/{name}"), 0o755, *bytes));
        Initramfs::pack_plan(path, guest, plan, others.collect())
    }

    fn pack_plan(path: &Path, guest: &GuestBinary, plan: &[CaseKey], others: Vec<ArchiveEntry<'_>>) -> Result<Self> {
        let plan: String = plan.iter().map(|key| format!("{key}\n")).collect();
        let plan = ("plan".into(), 0o644, plan.as_bytes());
        Initramfs::pack_files(path, guest, &[vec![plan], others].concat())
    }

    /// Packs the program as /init, and files with absolute paths and modes. Creates their directories.
    ///
    /// # Errors
    /// As [`Initramfs::pack`].
    pub fn pack_files(path: &Path, guest: &GuestBinary, files: &[ArchiveEntry<'_>]) -> Result<Self> {
        let archive = archive(&guest.bytes, files).map_err(|error| io(&error, "packing", path))?;
        std::fs::write(path, archive).map_err(|error| io(&error, "writing", path))?;
        Ok(Initramfs { path: path.to_path_buf() })
    }
}

/// The program in an initramfs of [`Initramfs::pack`]; None if there is none.
///
/// # Errors
/// [`crate::error::ErrorKind::Host`] when the file cannot be read.
pub fn program_of(path: &Path) -> Result<Option<GuestBinary>> {
    let mut file = std::io::BufReader::new(std::fs::File::open(path).map_err(|error| io(&error, "reading", path))?);
    loop {
        let mut entry = cpio::newc::Reader::new(file).map_err(|error| io(&error, "reading", path))?;
        if entry.entry().is_trailer() {
            return Ok(None);
        }
        if entry.entry().name() == "init" {
            let mut bytes = Vec::new();
            std::io::Read::read_to_end(&mut entry, &mut bytes).map_err(|error| io(&error, "reading", path))?;
            return Ok(Some(GuestBinary { bytes }));
        }
        file = entry.skip().map_err(|error| io(&error, "reading", path))?;
    }
}

/// A file: path, mode, contents.
pub type ArchiveEntry<'a> = (String, u32, &'a [u8]);

fn archive(init: &[u8], files: &[ArchiveEntry<'_>]) -> std::io::Result<Vec<u8>> {
    let mut archive = Vec::with_capacity(init.len() + 4096);
    let directory = |name: &str| Builder::new(name).mode(0o755).set_mode_file_type(ModeFileType::Directory);
    directory("dev").write(&mut archive, 0).finish()?;
    // Without a console the kernel starts init without open descriptors, and Rust's runtime needs three.
    Builder::new("dev/console")
        .mode(0o600)
        .set_mode_file_type(ModeFileType::Char)
        .rdev_major(5)
        .rdev_minor(1)
        .write(&mut archive, 0)
        .finish()?;
    let mut made = BTreeSet::from(["dev".to_string()]);
    let init = ("init".to_string(), 0o755, init);
    for (name, mode, bytes) in std::iter::once(&init).chain(files) {
        let name = name.trim_start_matches('/');
        for (end, _) in name.match_indices('/') {
            if made.insert(name[..end].to_string()) {
                directory(&name[..end]).write(&mut archive, 0).finish()?;
            }
        }
        let entry = Builder::new(name).mode(*mode).set_mode_file_type(ModeFileType::Regular);
        let mut writer = entry.write(&mut archive, bytes.len() as u32);
        std::io::Write::write_all(&mut writer, bytes)?;
        writer.finish()?;
    }
    trailer(&mut archive)?;
    Ok(archive)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let guest = GuestBinary { bytes: vec![7; 5001] };
        let packed = Initramfs::pack(&dir.path().join("x.cpio"), &guest, &[CaseKey("a/b@c".into())]).unwrap();
        assert_eq!(program_of(&packed.path).unwrap().unwrap().bytes, guest.bytes);
    }

    #[test]
    fn the_archive_contains_the_files_that_the_kernel_needs() {
        let bytes = archive(
            b"\x7fELF",
            &[("plan".into(), 0o644, b"a/b@udmabuf\n"), ("/upstream/sync_test".into(), 0o755, b"x")],
        )
        .unwrap();
        let mut rest = std::io::Cursor::new(bytes);
        let mut names = Vec::new();
        loop {
            let reader = cpio::newc::Reader::new(rest).unwrap();
            if reader.entry().is_trailer() {
                break;
            }
            names.push((reader.entry().name().to_string(), reader.entry().mode(), reader.entry().file_size()));
            rest = reader.skip().unwrap();
        }
        assert_eq!(
            names,
            [
                ("dev".to_string(), 0o040_755, 0),
                ("dev/console".to_string(), 0o020_600, 0),
                ("init".to_string(), 0o100_755, 4),
                ("plan".to_string(), 0o100_644, 12),
                ("upstream".to_string(), 0o040_755, 0),
                ("upstream/sync_test".to_string(), 0o100_755, 1),
            ]
        );
    }
}
