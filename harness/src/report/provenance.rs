//! The command that made a report, and the versions of all tools involved.

use std::path::Path;
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::host::arch::{Arch, X86_64};
use crate::host::process::Cmd;

/// Timeout for asking a program for its version.
const VERSION_TIMEOUT: Duration = Duration::from_secs(5);

/// How a run was made. Unknown values are empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Provenance {
    /// When the run began, in seconds since 1970.
    pub began: u64,
    /// The command line, word by word.
    pub command: Vec<String>,
    /// Version of the suite.
    pub suite: String,
    /// The commit of the suite, with `+` appended if there are uncommitted changes.
    pub commit: String,
    /// Output of `rustc --version`, the compiler of the guest program.
    pub rustc: String,
    /// First line of `gcc --version` when the kernel was compiled.
    pub compiler: String,
    /// First line of the output of QEMU's `--version`.
    pub qemu: String,
    /// Release and architecture of the host's kernel.
    pub host: String,
}

/// Versions that are collected in the background.
pub struct PendingProvenance {
    known: Provenance,
    others: Vec<JoinHandle<String>>,
}

impl PendingProvenance {
    /// Starts for the suite in `root`, which has this version and was called with this command.
    pub fn begin(root: &Path, suite: &str, command: Vec<String>) -> Self {
        let began = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let host = nix::sys::utsname::uname()
            .map(|host| [host.release(), host.machine()].map(|part| part.to_string_lossy().into_owned()).join(" "));
        let known =
            Provenance { began, command, suite: suite.into(), host: host.unwrap_or_default(), ..Provenance::default() };
        // If git started us, its variables name another repository.
        let git = |args: &[&str]| {
            let foreign = ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"];
            let git = foreign.iter().fold(Cmd::new("git"), |git, name| git.without_env(name));
            // It may be killed with this program, and must not leave a lock in the checkout. `git describe --dirty` always
            // takes one, so `status` is used.
            git.dir(root).arg("--no-optional-locks").args(args)
        };
        let commands = [
            git(&["rev-parse", "HEAD"]),
            git(&["status", "--porcelain", "--untracked-files=no"]),
            Cmd::new("rustc").arg("--version").dir(root),
            Cmd::new(X86_64.qemu).arg("--version"),
        ];
        let ask = |cmd: Cmd| std::thread::spawn(move || first_line(&cmd.limit(VERSION_TIMEOUT)));
        PendingProvenance { known, others: commands.into_iter().map(ask).collect() }
    }

    /// Waits for the answers.
    pub fn answered(self) -> Provenance {
        let mut lines = self.others.into_iter().map(|other| other.join().unwrap_or_default());
        let mut next = || lines.next().unwrap_or_default();
        let (id, changed, rustc, qemu) = (next(), next(), next(), next());
        let commit = if changed.is_empty() { id } else { format!("{id}+") };
        Provenance { commit, rustc, qemu, ..self.known }
    }
}

impl Provenance {
    /// The same for a kernel of this architecture, which this compiler has compiled.
    pub fn of_kernel(self, arch: &Arch, compiler: &str) -> Self {
        let qemu = match *arch == X86_64 {
            true => self.qemu,
            false => first_line(&Cmd::new(arch.qemu).arg("--version").limit(VERSION_TIMEOUT)),
        };
        Provenance { qemu, compiler: compiler.into(), ..self }
    }
}

fn first_line(cmd: &Cmd) -> String {
    let output = cmd.run().ok().filter(|output| output.status.success());
    output.and_then(|output| output.text.lines().next().map(str::to_string)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(root: &Path) -> Provenance {
        PendingProvenance::begin(root, "0.1.0", vec!["cargo".into(), "xtask".into()]).answered()
    }

    #[test]
    fn the_commit_is_marked_if_files_are_changed() {
        let dir = tempfile::tempdir().unwrap();
        let sh = |script: &str| Cmd::new("sh").args(["-c", script]).dir(dir.path()).run().unwrap();
        let identity = "-c user.name=x -c user.email=x@example.org";
        sh(&format!("git init --quiet && touch a && git add a && git {identity} commit --quiet --message=x"));
        let id = sh("git rev-parse HEAD").text.trim().to_string();
        let provenance = asked(dir.path());
        assert_eq!((provenance.commit.as_str(), provenance.suite.as_str()), (id.as_str(), "0.1.0"));
        assert!(provenance.rustc.starts_with("rustc ") && provenance.host.contains(' '), "{provenance:?}");
        std::fs::write(dir.path().join("new"), "not a part of it").unwrap();
        assert_eq!(asked(dir.path()).commit, id);
        std::fs::write(dir.path().join("a"), "other").unwrap();
        // A lock that somebody else holds does not matter.
        std::fs::write(dir.path().join(".git/index.lock"), "").unwrap();
        assert_eq!(asked(dir.path()).commit, format!("{id}+"));
    }

    #[test]
    fn an_unknown_value_is_empty() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(asked(dir.path()).commit, "");
    }
}
