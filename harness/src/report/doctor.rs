//! `doctor`: describes the machine, the cache and what is missing.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::exit_code::ExitCode;
use crate::host::machine::Machine;
use crate::host::progress::bytes;
use crate::host::setup::{self, HostTool, Purpose};
use crate::host::store::Store;
use crate::kbuild::image;
use crate::session::accel::{Accel, KvmAnswer};
use crate::source;

/// A source, a build directory with its objects and a few images need this much, in bytes.
const ENOUGH_DISK: u64 = 6_000_000_000;
/// Timeout for asking a program for its version.
const VERSION_TIMEOUT: Duration = Duration::from_secs(5);

/// Facts about the machine.
#[derive(Debug)]
pub struct Doctor {
    tools: Vec<Tool>,
    commands: Vec<String>,
    kvm: KvmAnswer,
    cpus: usize,
    memory: Option<(u64, u64)>,
    cache: PathBuf,
    free: Option<u64>,
    kinds: Vec<(String, usize, u64)>,
    sources: Vec<String>,
    images: Vec<String>,
}

#[derive(Debug)]
struct Tool {
    need: &'static HostTool,
    /// Its path and version; `None` if it is missing.
    found: Option<String>,
}

impl Doctor {
    /// Examines this machine and the cache.
    pub fn examine(store: &Store, kvm: KvmAnswer) -> Doctor {
        Doctor::examine_on(&Machine::this(), store, kvm)
    }

    /// Examines the given machine and the cache.
    pub fn examine_on(machine: &Machine, store: &Store, kvm: KvmAnswer) -> Doctor {
        let needs = setup::needs(Purpose::ALL, machine);
        let tools: Vec<Tool> = needs.into_iter().map(|need| Tool { need, found: found(need, machine) }).collect();
        let missing: Vec<&HostTool> = tools.iter().filter(|tool| tool.found.is_none()).map(|tool| tool.need).collect();
        let counted = |(kind, size): (String, u64)| (kind.clone(), store.keys(&kind).len(), size);
        Doctor {
            commands: if missing.is_empty() { Vec::new() } else { setup::commands(&missing, machine) },
            tools,
            kvm,
            cpus: std::thread::available_parallelism().map_or(1, usize::from),
            memory: machine.memory(),
            cache: store.root().to_path_buf(),
            free: store.free_space().ok(),
            kinds: store.sizes().into_iter().map(counted).collect(),
            sources: source::known(store),
            images: image::known(store),
        }
    }

    /// 0 if nothing is missing, else that of a problem of the machine.
    pub fn exit_code(&self) -> ExitCode {
        if self.tools.iter().all(|tool| tool.found.is_some()) { ExitCode::AsExpected } else { ExitCode::Fetch }
    }
}

impl fmt::Display for Doctor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "tools")?;
        for Tool { need, found } in &self.tools {
            match found {
                Some(found) => writeln!(f, "  ok       {:<23} {found}", need.name)?,
                None => writeln!(f, "  MISSING  {:<23} {}", need.name, need.why)?,
            }
        }
        for (at, command) in self.commands.iter().enumerate() {
            writeln!(f, "  {:<9}{command}", if at == 0 { "install:" } else { "or:" })?;
        }
        writeln!(f, "\nmachine")?;
        writeln!(f, "  CPUs     {}", self.cpus)?;
        if let Some((total, available)) = self.memory {
            writeln!(f, "  memory   {}, {} available", bytes(total), bytes(available))?;
        }
        for (at, finding) in self.kvm.answer.findings.iter().enumerate() {
            let label = if at == 0 { "KVM" } else { "" };
            let mark = if finding.works { "" } else { "NO: " };
            writeln!(f, "  {label:<8} {mark}{}", finding.detail)?;
        }
        if self.kvm.remembered {
            writeln!(f, "           remembered from an earlier run; `cargo xtask doctor --probe` tests it again")?;
        }
        match self.kvm.answer.accel() {
            Accel::Kvm => writeln!(f, "  guests   run under KVM")?,
            Accel::Tcg if self.kvm.answer.ended_early() => {
                writeln!(f, "  guests   not decided: KVM is tested with a guest once a kernel is built")?;
            }
            Accel::Tcg => writeln!(f, "  guests   emulated (TCG), which works everywhere")?,
        }
        writeln!(f, "\ncache      {}", self.cache.display())?;
        match self.free {
            Some(free) if free < ENOUGH_DISK => {
                writeln!(f, "  free     {}: LOW, a first run needs about {}", bytes(free), bytes(ENOUGH_DISK))?;
            }
            Some(free) => writeln!(f, "  free     {}", bytes(free))?,
            None => writeln!(f, "  free     unknown")?,
        }
        for (kind, count, size) in &self.kinds {
            writeln!(
                f,
                "  {kind:<10} {:>10}  {count} {}",
                bytes(*size),
                if *count == 1 { "entry" } else { "entries" }
            )?;
        }
        for origin in &self.sources {
            writeln!(f, "  source   {origin}")?;
        }
        for image in &self.images {
            writeln!(f, "  kernel   {image}")?;
        }
        Ok(())
    }
}

fn found(need: &HostTool, machine: &Machine) -> Option<String> {
    let path = need.find(machine)?.display().to_string();
    let Some(program) = need.program() else { return Some(path) };
    let output = machine.cmd(program).arg("--version").limit(VERSION_TIMEOUT).run().ok();
    let text = output.map(|output| output.text).unwrap_or_default();
    let version = text.lines().find(|line| !line.trim().is_empty()).unwrap_or("unknown version").trim();
    Some(format!("{version}  ({path})"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::machine::{pretend, put};
    use crate::session::accel::probe_result::{ProbeResult, Stage, StageResult};

    #[test]
    fn tools_are_shown_with_their_versions_or_with_the_command_to_install_them() {
        let dir = tempfile::tempdir().unwrap();
        let machine = pretend(dir.path(), &[("make", "echo GNU Make 4.3"), ("apt-get", "")]);
        put(&machine, "/proc/meminfo", "MemTotal:  2000 kB\nMemAvailable: 1000 kB\n");
        let store = Store::open(Some(&dir.path().join("cache"))).unwrap();
        let facts = r#"{"key":"k","version":"7.2.13","origin":"","flavour":"fast","compiler":"","defines_derive":true,"build_seconds":1}"#;
        for key in ["abc", "def"] {
            let dir = store.publish("images", key, |_| Ok(())).unwrap();
            std::fs::write(dir.join("facts.json"), facts).unwrap();
        }
        let doctor =
            Doctor::examine_on(&machine, &store, kvm(&[(Stage::Device, false, "there is no /dev/kvm")], false));
        let text = doctor.to_string();
        for part in [
            "  ok       make                    GNU Make 4.3  (",
            "  MISSING  qemu-system-x86_64      boots the kernel\n",
            "  install: apt-get install --no-install-recommends ",
            "  memory   2.05 MB, 1.02 MB available\n",
            "  KVM      NO: there is no /dev/kvm\n",
            "  kernel   7.2.13 fast, 2 images\n",
        ] {
            assert!(text.contains(part), "{part:?} is not in\n{text}");
        }
        assert_eq!(doctor.exit_code().number(), 23);
    }

    fn kvm(findings: &[(Stage, bool, &str)], remembered: bool) -> KvmAnswer {
        let findings = findings.iter().map(|(stage, works, detail)| StageResult {
            stage: *stage,
            works: *works,
            detail: detail.to_string(),
            ms: 1,
        });
        KvmAnswer { answer: ProbeResult { findings: findings.collect() }, remembered }
    }

    #[test]
    fn every_stage_of_kvm_is_shown() {
        let dir = tempfile::tempdir().unwrap();
        let machine = pretend(dir.path(), &[]);
        let store = Store::open(Some(&dir.path().join("cache"))).unwrap();
        let show = |known| Doctor::examine_on(&machine, &store, known).to_string();
        let stages =
            [(Stage::Device, true, "/dev/kvm opens"), (Stage::Guest, false, "a guest printed nothing within 2.0 s")];
        let text = show(kvm(&stages, true));
        let expected = "  KVM      /dev/kvm opens\n           NO: a guest printed nothing within 2.0 s\n";
        assert!(text.contains(expected), "{text}");
        assert!(
            text.contains("an earlier run") && text.contains("--probe") && text.contains("emulated (TCG)"),
            "{text}"
        );
        let text = show(kvm(&stages[..1], false));
        assert!(text.contains("not decided") && !text.contains("an earlier run"), "{text}");
        let text = show(kvm(&[(Stage::Guest, true, "a guest booted in 0.21 s")], false));
        assert!(text.contains("run under KVM"), "{text}");
    }
}
