//! Caches the result of the KVM test until something that it depends on changes.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};

use super::probe_result::ProbeResult;
use crate::error::{Context, ErrorKind, Result, io};
use crate::host::arch::X86_64;
use crate::host::machine::Machine;
use crate::host::store::Store;
use crate::host::store::manifest::sha256_of;

/// The kind of these entries in the cache.
const KIND: &str = "accel";
/// How many results are kept; results from before a reboot are useless.
const KEPT: usize = 20;

/// What a result depends on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct HostState {
    /// Changes when the host boots, so it covers the host's kernel too.
    boot_id: String,
    /// QEMU: path, size in bytes, modification time in seconds.
    qemu: Option<(PathBuf, u64, u64)>,
    cpu: String,
    /// Modules whose names begin with `kvm`, and `name/parameter=value` for each readable parameter: a module may be reloaded with
    /// other parameters.
    kvm: Vec<String>,
    user: u32,
}

#[derive(Serialize, Deserialize)]
struct File {
    #[serde(rename = "circumstances")]
    host: HostState,
    answer: ProbeResult,
    /// If set, the result is valid for this kernel only.
    kernel: Option<PathBuf>,
}

/// The cached result for the current state of this machine.
#[derive(Debug)]
pub struct ProbeCache {
    dir: PathBuf,
    host: HostState,
}

impl ProbeCache {
    /// Reads the state of the machine.
    ///
    /// # Errors
    /// [`ErrorKind::Host`] when the cache cannot be written.
    pub fn open(store: &Store, machine: &Machine) -> Result<ProbeCache> {
        Ok(ProbeCache { dir: store.directory(KIND, "answers")?, host: HostState::of(machine) })
    }

    /// The cached result, if it is valid for this kernel or for all. An unreadable file counts as none.
    pub fn recall(&self, kernel: Option<&Path>) -> Option<ProbeResult> {
        let file: File = serde_json::from_slice(&fs::read(self.path()).ok()?).ok()?;
        let valid = file.kernel.is_none() || file.kernel.as_deref() == kernel;
        (file.host == self.host && valid).then_some(file.answer)
    }

    /// Caches a result for one kernel or for all, and replaces an earlier one.
    ///
    /// # Errors
    /// [`ErrorKind::Host`] when it cannot be written.
    pub fn remember(&self, answer: &ProbeResult, kernel: Option<&Path>) -> Result<()> {
        let kernel = kernel.map(Path::to_path_buf);
        let file = File { host: self.host.clone(), answer: answer.clone(), kernel };
        let text = serde_json::to_string_pretty(&file).context(ErrorKind::Internal, || "encoding an answer".into())?;
        let failed = |error: std::io::Error| io(&error, "writing", &self.path());
        // A unique name, because two runs may do this at once; the last one wins.
        let unfinished = tempfile::NamedTempFile::new_in(&self.dir).map_err(failed)?;
        fs::write(&unfinished, text + "\n").map_err(failed)?;
        unfinished.persist(self.path()).map_err(|error| failed(error.error))?;
        self.prune();
        Ok(())
    }

    /// Removes the cached result.
    ///
    /// # Errors
    /// [`ErrorKind::Host`] when its file cannot be removed.
    pub fn forget(&self) -> Result<()> {
        match fs::remove_file(self.path()) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(io(&error, "removing", &self.path())),
            _ => Ok(()),
        }
    }

    fn path(&self) -> PathBuf {
        let text = serde_json::to_string(&self.host).unwrap_or_default();
        self.dir.join(format!("{}.json", &sha256_of(text.as_bytes())[..16]))
    }

    fn prune(&self) {
        let mut files: Vec<_> = fs::read_dir(&self.dir)
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
            .collect();
        files.sort();
        for (_, path) in files.iter().rev().skip(KEPT) {
            let _ = fs::remove_file(path);
        }
    }
}

impl HostState {
    fn of(machine: &Machine) -> Self {
        let qemu = machine.program(X86_64.qemu).and_then(|path| {
            let path = path.canonicalize().ok()?;
            let meta = path.metadata().ok()?;
            let changed = meta.modified().ok()?.duration_since(UNIX_EPOCH).ok()?.as_secs();
            Some((path, meta.len(), changed))
        });
        let cpu = machine.text("/proc/cpuinfo").unwrap_or_default();
        let cpu = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':')).unwrap_or_default().1;
        HostState {
            boot_id: machine.text("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().into(),
            qemu,
            cpu: cpu.trim().into(),
            kvm: modules(machine),
            user: nix::unistd::geteuid().as_raw(),
        }
    }
}

fn modules(machine: &Machine) -> Vec<String> {
    let names = |path: &str| -> Vec<String> {
        let entries = fs::read_dir(machine.file(path)).into_iter().flatten().flatten();
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
    };
    let mut facts = Vec::new();
    for module in names("/sys/module").into_iter().filter(|name| name.starts_with("kvm")) {
        let parameters = format!("/sys/module/{module}/parameters");
        for parameter in names(&parameters) {
            let value = machine.text(&format!("{parameters}/{parameter}")).unwrap_or_default();
            facts.push(format!("{module}/{parameter}={}", value.trim()));
        }
        facts.push(module);
    }
    facts.sort();
    facts
}
