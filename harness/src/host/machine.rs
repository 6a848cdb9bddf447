//! What the set-up checks about this machine. Tests use a fake one.

use std::ffi::OsString;
use std::io::IsTerminal;
use std::os::unix::fs::PermissionsExt;
#[cfg(test)]
use std::path::Path;
use std::path::PathBuf;

use crate::host::process::Cmd;

/// Where to look for programs and files, and who runs this program.
#[derive(Clone, Debug)]
pub struct Machine {
    /// The directory that absolute paths start from: `/`, except in tests.
    pub root: PathBuf,
    /// Directories to search programs in, in the syntax of PATH.
    pub path: OsString,
    /// Whether this is root.
    pub superuser: bool,
    /// Whether the user can be asked: standard input and error are a terminal.
    pub interactive: bool,
}

impl Machine {
    /// The machine that this program runs on.
    pub fn this() -> Self {
        Machine {
            root: PathBuf::from("/"),
            path: std::env::var_os("PATH").unwrap_or_default(),
            superuser: nix::unistd::geteuid().is_root(),
            interactive: std::io::stdin().is_terminal() && std::io::stderr().is_terminal(),
        }
    }

    /// Finds a program on PATH.
    pub fn program(&self, name: &str) -> Option<PathBuf> {
        std::env::split_paths(&self.path)
            .map(|dir| dir.join(name))
            .find(|file| file.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0))
    }

    /// An absolute path on this machine.
    pub fn file(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    /// The first of some absolute paths that exists.
    pub fn first_of(&self, paths: &[&str]) -> Option<PathBuf> {
        paths.iter().map(|path| self.file(path)).find(|path| path.exists())
    }

    /// Total and available memory in bytes; /proc/meminfo counts in units of 1024.
    pub fn memory(&self) -> Option<(u64, u64)> {
        let text = self.text("/proc/meminfo")?;
        let value = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
            line.split_whitespace().next()?.parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
        };
        Some((value("MemTotal")?, value("MemAvailable")?))
    }

    /// A command whose program is searched on the same PATH as in [`Machine::program`].
    pub fn cmd(&self, program: &str) -> Cmd {
        Cmd::new(program).env("PATH", self.path.to_string_lossy())
    }

    /// A value of os-release, such as ID or VERSION_CODENAME.
    pub fn os_release(&self, name: &str) -> Option<String> {
        let text = self.text("/etc/os-release").or_else(|| self.text("/usr/lib/os-release"))?;
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='))?;
        Some(value.trim_matches(['"', '\'']).to_string())
    }

    /// The text of a file, if it can be read.
    pub fn text(&self, path: &str) -> Option<String> {
        std::fs::read_to_string(self.file(path)).ok()
    }

    /// Whether ID or ID_LIKE of os-release names one of these distributions.
    pub fn is_like(&self, ids: &[&str]) -> bool {
        let like = self.os_release("ID_LIKE").unwrap_or_default();
        let id = self.os_release("ID").unwrap_or_default();
        like.split_whitespace().chain([id.as_str()]).any(|id| ids.contains(&id))
    }
}

/// A machine of empty directories below `dir`, on which `programs` (name, script) are installed.
#[cfg(test)]
pub fn pretend(dir: &Path, programs: &[(&str, &str)]) -> Machine {
    let bin = dir.join("bin");
    std::fs::create_dir_all(&bin).unwrap();
    for (name, script) in programs {
        let file = bin.join(name);
        std::fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    Machine { root: dir.to_path_buf(), path: bin.into_os_string(), superuser: true, interactive: false }
}

/// Writes a file of a machine that [`pretend`] made.
#[cfg(test)]
pub fn put(machine: &Machine, path: &str, text: &str) {
    let file = machine.file(path);
    std::fs::create_dir_all(file.parent().unwrap_or(Path::new("/"))).unwrap();
    std::fs::write(file, text).unwrap();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_and_files_are_those_of_the_machine() {
        let dir = tempfile::tempdir().unwrap();
        let machine = pretend(dir.path(), &[("make", "echo GNU Make")]);
        assert!(machine.program("make").is_some());
        assert_eq!(machine.program("sh"), None);
        assert_eq!(machine.cmd("make").run().unwrap().text, "GNU Make\n");
        put(&machine, "/etc/os-release", "ID=ubuntu\nID_LIKE=debian\nVERSION_CODENAME=\"noble\"\n");
        assert_eq!(machine.os_release("VERSION_CODENAME").unwrap(), "noble");
        assert!(machine.is_like(&["debian"]) && !machine.is_like(&["fedora"]));
        assert_eq!(machine.first_of(&["/nothing", "/etc/os-release"]), Some(dir.path().join("etc/os-release")));
    }
}
