//! Kernel configuration: the kernel's own script merges the fragments, then every request is checked.
//!
//! A request may be limited to some kernels, `CONFIG_X=y # since 6.15`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use regex::Regex;
use sha2::{Digest, Sha256};

use crate::error::{Error, ErrorKind, Result, io};
use crate::host::arch::Arch;
use crate::host::process::Cmd;
use crate::host::similar_names::similar_names;
use crate::kernel_range::{KernelRange, Release};

/// The fragments of each flavour, in the order in which they are merged. That of the architecture follows the first one.
const FLAVOURS: &[(&str, &[&str])] = &[
    ("fast", &["base", "exporters", "importers"]),
    ("sanitized", &["base", "exporters", "importers", "sanitizers"]),
    ("faults", &["base", "exporters", "importers", "sanitizers", "faults"]),
    ("race", &["base", "exporters", "importers", "race"]),
    ("leak", &["base", "exporters", "importers", "leak"]),
    ("coverage", &["base", "exporters", "importers", "coverage"]),
    ("bpf", &["base", "exporters", "importers", "bpf"]),
    ("debug", &["base", "exporters", "importers", "sanitizers", "debug"]),
    ("importers", &["base", "exporters", "importers", "sanitizers", "devices"]),
    ("selinux", &["base", "exporters", "importers", "sanitizers", "selinux"]),
];

/// A flavour with this suffix has one more fragment: `sanitized-vng` is `sanitized` for a shell under virtme-ng. It is not used
/// to judge a kernel.
pub const VNG: &str = "-vng";

/// A named set of fragments.
#[derive(Clone, Debug)]
pub struct Flavour {
    /// Its name, which ends with the architecture.
    pub name: String,
    /// The architecture.
    pub arch: &'static Arch,
    /// The fragments, in order.
    pub fragments: Vec<Fragment>,
    /// The SELinux policy that its guests load, as secilc reads it. None for a flavour without SELinux.
    pub policy: Option<String>,
}

/// One file of options.
#[derive(Clone, Debug)]
pub struct Fragment {
    /// File name, for messages.
    pub name: String,
    /// Its path.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
}

/// A request for an option in a fragment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Line in the fragment, starting from 1.
    pub line: usize,
    /// Name with its `CONFIG_` prefix.
    pub option: String,
    /// The value; `n` for an option that must be off.
    pub value: String,
    /// The kernels it is for; None for all.
    pub range: Option<KernelRange>,
}

impl Flavour {
    /// Loads the fragments of a flavour from `dir`.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] for an unknown flavour, [`ErrorKind::Kconfig`] for an invalid line of a fragment.
    pub fn load(name: &str, dir: &Path) -> Result<Self> {
        let (arch, own) = Arch::of_flavour(name);
        let plain = own.strip_suffix(VNG);
        let Some((_, fragments)) = FLAVOURS.iter().find(|(known, _)| *known == plain.unwrap_or(own)) else {
            let names: Vec<&str> = FLAVOURS.iter().map(|(name, _)| *name).collect();
            let meant = similar_names(name, &names);
            return Err(Error::new(ErrorKind::Usage, format!("there is no flavour {name}")).next(
                match meant.is_empty() {
                    true => format!("Flavours: {}; kconfigs/README.md describes them.", names.join(", ")),
                    false => format!("Did you mean {}?", meant.join(" or ")),
                },
            ));
        };
        let more = plain.map(|_| VNG.trim_start_matches('-'));
        let (base, others) = fragments.split_at(1);
        let names = base.iter().chain(arch.fragments).chain(others).copied().chain(more);
        let fragments = names.map(|name| Fragment::load(&dir.join(format!("{name}.config"))));
        let mut flavour =
            Flavour { name: name.into(), arch, fragments: fragments.collect::<Result<_>>()?, policy: None };
        if flavour.asks_for("CONFIG_SECURITY_SELINUX") {
            let path = dir.join("selinux.cil");
            flavour.policy = Some(fs::read_to_string(&path).map_err(|error| io(&error, "reading", &path))?);
        }
        Ok(flavour)
    }

    /// Whether a fragment turns an option on.
    pub fn asks_for(&self, option: &str) -> bool {
        let on = |fragment: &Fragment| {
            let requests = requests(&fragment.text).unwrap_or_default();
            requests.iter().any(|request| request.option == option && request.value == "y")
        };
        self.fragments.iter().any(on)
    }

    /// Hash over the requests for a kernel of `version`, without comments and requests for other kernels.
    pub fn digest(&self, version: &str) -> String {
        let requests = Release::of(version).map(|release| self.plain(release)).unwrap_or_default();
        format!("{:x}", Sha256::digest(requests))
    }

    /// Configures `objects` for `tree`, a kernel of `version`, and checks that every request for it was met. Returns the
    /// requests for other kernels.
    ///
    /// # Errors
    /// [`ErrorKind::Kconfig`] with fragment, line and dependencies of an option that did not survive configuration.
    pub fn configure(&self, tree: &Path, version: &str, objects: &Path) -> Result<Vec<Request>> {
        let release = Release::of(version).ok_or_else(|| {
            Error::new(ErrorKind::Source, format!("{version:?} is not a kernel version"))
                .next("The Makefile at the top of a kernel source has VERSION and PATCHLEVEL.")
        })?;
        fs::create_dir_all(objects).map_err(|error| io(&error, "creating", objects))?;
        let make = |target: &str| {
            Cmd::new("make")
                .dir(tree)
                .args(["-s", &format!("O={}", objects.display())])
                .args(self.arch.make)
                .arg(target)
                .succeed(ErrorKind::Kconfig, &format!("make {target} failed"))
        };
        make("tinyconfig")?;
        let config = objects.join(".config");
        let asked = objects.join("requests.config");
        fs::write(&asked, self.plain(release)).map_err(|error| io(&error, "writing", &asked))?;
        Cmd::new("sh")
            .dir(tree)
            .args(["scripts/kconfig/merge_config.sh", "-m", "-O"])
            .path(objects)
            .path(&config)
            .path(&asked)
            .succeed(ErrorKind::Kconfig, "merging the fragments failed")?;
        make("olddefconfig")?;
        let text = fs::read_to_string(&config).map_err(|error| io(&error, "reading", &config))?;
        let lost = self.lost(release, &values(&text));
        if !lost.is_empty() {
            return Err(did_not_survive(&lost, tree, &values(&text)));
        }
        let all = self.fragments.iter().flat_map(|fragment| requests(&fragment.text).unwrap_or_default());
        Ok(all.filter(|request| !request.is_for(release)).collect())
    }

    /// The requests for a kernel, without the ranges, which the kernel's scripts do not understand.
    fn plain(&self, release: Release) -> String {
        let line = |(_, request): &(&Fragment, Request)| match request.value.as_str() {
            "n" => format!("# {} is not set\n", request.option),
            value => format!("{}={value}\n", request.option),
        };
        self.requests(release).iter().map(line).collect()
    }

    /// Every request for a kernel with its fragment, sorted by option. Later fragments override earlier ones.
    fn requests(&self, release: Release) -> Vec<(&Fragment, Request)> {
        let mut last: BTreeMap<String, (&Fragment, Request)> = BTreeMap::new();
        for fragment in &self.fragments {
            let requests = requests(&fragment.text).unwrap_or_default();
            for request in requests.into_iter().filter(|request| request.is_for(release)) {
                last.insert(request.option.clone(), (fragment, request));
            }
        }
        last.into_values().collect()
    }

    /// The requests that a configuration does not meet.
    fn lost(&self, release: Release, config: &BTreeMap<String, String>) -> Vec<(&Fragment, Request)> {
        let met = |request: &Request| config.get(&request.option).map_or("n", String::as_str) == request.value;
        self.requests(release).into_iter().filter(|(_, request)| !met(request)).collect()
    }
}

impl Request {
    /// Whether it is for a kernel.
    fn is_for(&self, release: Release) -> bool {
        self.range.is_none_or(|range| range.holds(release))
    }
}

impl Fragment {
    fn load(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).map_err(|error| io(&error, "reading", path))?;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if let Err((line, text)) = requests(&text) {
            return Err(Error::new(ErrorKind::Kconfig, format!("{name}:{line} is not an option: {text}")).next(
                "Write CONFIG_X=y, CONFIG_X=\"text\" or # CONFIG_X is not set. To limit it to some kernels, append # since 6.15 or \
                 # until 6.6. Write other comments on separate lines.",
            ));
        }
        let path = std::path::absolute(path).map_err(|error| io(&error, "finding", path))?;
        Ok(Fragment { name, path, text })
    }
}

/// The requests of a fragment; the error is the first invalid line.
fn requests(text: &str) -> std::result::Result<Vec<Request>, (usize, String)> {
    let mut requests = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if !line.starts_with("CONFIG_") && !line.starts_with("# CONFIG_") && (line.is_empty() || line.starts_with('#'))
        {
            continue;
        }
        let request = request(line).ok_or_else(|| (index + 1, line.to_string()))?;
        requests.push(Request { line: index + 1, ..request });
    }
    Ok(requests)
}

fn request(line: &str) -> Option<Request> {
    let (what, range) = match line.split_once(" # ") {
        Some((what, range)) => (what.trim_end(), Some(range.parse().ok()?)),
        None => (line, None),
    };
    let (option, value) = match what.strip_prefix("# ") {
        Some(off) => (off.strip_suffix(" is not set")?, "n"),
        None => what.split_once('=')?,
    };
    let name = option.strip_prefix("CONFIG_")?;
    let named = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let valued = value.starts_with('"') || !value.contains([' ', '#']);
    (named && valued && !value.is_empty()).then(|| Request {
        line: 0,
        option: option.into(),
        value: value.into(),
        range,
    })
}

/// The options of a .config that are set.
fn values(config: &str) -> BTreeMap<String, String> {
    let options = config.lines().filter(|line| line.starts_with("CONFIG_")).filter_map(|line| line.split_once('='));
    options.map(|(option, value)| (option.to_string(), value.to_string())).collect()
}

fn did_not_survive(lost: &[(&Fragment, Request)], tree: &Path, config: &BTreeMap<String, String>) -> Error {
    let mut cause = Vec::new();
    for (fragment, request) in lost {
        let got = config.get(&request.option).map_or("not set", String::as_str);
        cause.push(format!(
            "{}:{} requests {}={}, but it is {got}",
            fragment.name, request.line, request.option, request.value
        ));
        cause.extend(dependencies(tree, &request.option, config));
    }
    let options: Vec<&str> = lost.iter().map(|(_, request)| request.option.as_str()).collect();
    Error::new(ErrorKind::Kconfig, format!("{} did not survive configuration", options.join(", ")))
        .cause(cause.join("\n"))
        .next("Request its dependencies in the same fragment, or remove the request.")
}

/// Where the tree's Kconfig files define an option, and which of its dependencies are not set.
fn dependencies(tree: &Path, option: &str, config: &BTreeMap<String, String>) -> Vec<String> {
    let name = option.trim_start_matches("CONFIG_");
    let head = Regex::new(&format!(r"^\s*(?:menu)?config {name}\s*$")).expect("an option name");
    let symbol = Regex::new(r"\b[A-Z0-9_]{2,}\b").expect("a valid pattern");
    let kconfig = |entry: &walkdir::DirEntry| entry.file_name().to_string_lossy().starts_with("Kconfig");
    let mut found = Vec::new();
    for entry in walkdir::WalkDir::new(tree).sort_by_file_name().into_iter().filter_map(Result::ok).filter(kconfig) {
        let Ok(text) = fs::read_to_string(entry.path()) else { continue };
        let mut lines = text.lines().enumerate();
        while let Some((index, _)) = lines.by_ref().find(|(_, line)| head.is_match(line)) {
            let file = entry.path().strip_prefix(tree).unwrap_or(entry.path());
            found.push(format!("  it is defined in {}:{}", file.display(), index + 1));
            let body = lines.clone().map(|(_, line)| line.trim()).take_while(|line| !line.starts_with("help"));
            let body = body.take_while(|line| !line.starts_with("config ") && !line.starts_with("menuconfig "));
            for depends in body.filter_map(|line| line.strip_prefix("depends on ")) {
                let unset = symbol.find_iter(depends).map(|name| name.as_str());
                let unset: Vec<&str> = unset.filter(|name| !config.contains_key(&format!("CONFIG_{name}"))).collect();
                let unset =
                    if unset.is_empty() { String::new() } else { format!("   (not set: {})", unset.join(", ")) };
                found.push(format!("  depends on {depends}{unset}"));
            }
        }
    }
    if found.is_empty() {
        found.push("  no Kconfig file of this kernel defines it".into());
    }
    found
}

#[cfg(test)]
mod tests;
