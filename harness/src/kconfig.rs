//! Kernel configuration: fragments merged by the kernel's own script, and the proof that every request survived.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use regex::Regex;
use sha2::{Digest, Sha256};

use crate::error::{Blame, Error, Result, io};
use crate::process::Cmd;
use crate::spec::near;

/// The fragments of each flavour, in the order in which they are merged.
const FLAVOURS: &[(&str, &[&str])] = &[
    ("fast", &["base", "exporters", "importers"]),
    ("sanitized", &["base", "exporters", "importers", "sanitizers"]),
    ("faults", &["base", "exporters", "importers", "sanitizers", "faults"]),
];

/// A named set of fragments.
#[derive(Clone, Debug)]
pub struct Flavour {
    /// Its name.
    pub name: String,
    /// The fragments, in order.
    pub fragments: Vec<Fragment>,
}

/// One file of options.
#[derive(Clone, Debug)]
pub struct Fragment {
    /// File name, for messages.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
}

/// One option that a fragment asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Line in the fragment, from 1.
    pub line: usize,
    /// Name with its `CONFIG_` prefix.
    pub option: String,
    /// The value; `n` for an option that is to be off.
    pub value: String,
}

impl Flavour {
    /// Loads the fragments of a flavour from `dir`.
    ///
    /// # Errors
    /// [`Blame::Usage`] for an unknown flavour, [`Blame::Kconfig`] for a fragment line that makes no sense.
    pub fn load(name: &str, dir: &Path) -> Result<Self> {
        let Some((_, fragments)) = FLAVOURS.iter().find(|(known, _)| *known == name) else {
            let names: Vec<&str> = FLAVOURS.iter().map(|(name, _)| *name).collect();
            let meant = near(name, &names);
            return Err(Error::new(Blame::Usage, format!("there is no flavour {name}"))
                .next(format!("Did you mean {}?", if meant.is_empty() { names } else { meant }.join(" or "))));
        };
        let fragments = fragments.iter().map(|name| Fragment::load(&dir.join(format!("{name}.config"))));
        Ok(Flavour { name: name.into(), fragments: fragments.collect::<Result<_>>()? })
    }

    /// Hash over all fragments.
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        for fragment in &self.fragments {
            hash.update(fragment.text.as_bytes());
            hash.update([0]);
        }
        format!("{:x}", hash.finalize())
    }

    /// Configures `objects` for `tree` and checks that every request survived.
    ///
    /// # Errors
    /// [`Blame::Kconfig`] naming fragment, line and dependency of an option that fell away.
    pub fn configure(&self, tree: &Path, objects: &Path) -> Result<()> {
        fs::create_dir_all(objects).map_err(|error| io(&error, "creating", objects))?;
        let make = |target: &str| {
            Cmd::new("make")
                .dir(tree)
                .args(["-s", &format!("O={}", objects.display()), target])
                .succeed(Blame::Kconfig, &format!("make {target} failed"))
        };
        make("tinyconfig")?;
        let config = objects.join(".config");
        Cmd::new("sh")
            .dir(tree)
            .args(["scripts/kconfig/merge_config.sh", "-m", "-O"])
            .path(objects)
            .path(&config)
            .args(self.fragments.iter().map(|fragment| fragment.path.to_string_lossy()))
            .succeed(Blame::Kconfig, "merging the fragments failed")?;
        make("olddefconfig")?;
        let text = fs::read_to_string(&config).map_err(|error| io(&error, "reading", &config))?;
        let lost = self.lost(&values(&text));
        if lost.is_empty() { Ok(()) } else { Err(fell_away(&lost, tree, &values(&text))) }
    }

    /// The requests that the final configuration does not meet. A later fragment may overrule an earlier one.
    fn lost(&self, config: &BTreeMap<String, String>) -> Vec<(&Fragment, Request)> {
        let mut last: BTreeMap<String, (&Fragment, Request)> = BTreeMap::new();
        for fragment in &self.fragments {
            for request in requests(&fragment.text).unwrap_or_default() {
                last.insert(request.option.clone(), (fragment, request));
            }
        }
        last.into_values()
            .filter(|(_, request)| config.get(&request.option).map_or("n", String::as_str) != request.value)
            .collect()
    }
}

impl Fragment {
    fn load(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).map_err(|error| io(&error, "reading", path))?;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if let Err((line, text)) = requests(&text) {
            return Err(Error::new(Blame::Kconfig, format!("{name}:{line} is no option: {text}"))
                .next("Write CONFIG_X=y, CONFIG_X=\"text\" or # CONFIG_X is not set; other comments start with #."));
        }
        let path = std::path::absolute(path).map_err(|error| io(&error, "finding", path))?;
        Ok(Fragment { name, path, text })
    }
}

/// The requests of a fragment, or the first line that is none.
fn requests(text: &str) -> std::result::Result<Vec<Request>, (usize, String)> {
    let mut requests = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        let (option, value) = match line.strip_prefix("# CONFIG_").and_then(|rest| rest.strip_suffix(" is not set")) {
            Some(option) => (format!("CONFIG_{option}"), "n"),
            None if line.is_empty() || line.starts_with('#') => continue,
            None => match line.split_once('=') {
                Some((option, value)) if option.starts_with("CONFIG_") && !value.is_empty() => {
                    (option.to_string(), value)
                }
                _ => return Err((index + 1, line.to_string())),
            },
        };
        requests.push(Request { line: index + 1, option, value: value.to_string() });
    }
    Ok(requests)
}

/// The options of a .config that are not off.
fn values(config: &str) -> BTreeMap<String, String> {
    let options = config.lines().filter(|line| line.starts_with("CONFIG_")).filter_map(|line| line.split_once('='));
    options.map(|(option, value)| (option.to_string(), value.to_string())).collect()
}

fn fell_away(lost: &[(&Fragment, Request)], tree: &Path, config: &BTreeMap<String, String>) -> Error {
    let mut cause = Vec::new();
    for (fragment, request) in lost {
        let got = config.get(&request.option).map_or("not set", String::as_str);
        cause.push(format!(
            "{}:{} asks for {}={}, got {got}",
            fragment.name, request.line, request.option, request.value
        ));
        cause.extend(dependencies(tree, &request.option, config));
    }
    let options: Vec<&str> = lost.iter().map(|(_, request)| request.option.as_str()).collect();
    Error::new(Blame::Kconfig, format!("{} did not survive configuration", options.join(", ")))
        .cause(cause.join("\n"))
        .next("Ask for what it depends on in the same fragment, or drop the request.")
}

/// What the tree's Kconfig files say about an option: where it is defined, and which of its dependencies are not met.
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
mod tests {
    use super::*;

    fn fragment(name: &str, text: &str) -> Fragment {
        Fragment { name: name.into(), path: name.into(), text: text.into() }
    }

    #[test]
    fn a_request_to_be_off_is_a_request() {
        let requests = requests("# a comment\nCONFIG_A=y\n# CONFIG_B is not set\n\nCONFIG_C=\"x\"\n").unwrap();
        let got: Vec<_> = requests.iter().map(|r| (r.line, r.option.as_str(), r.value.as_str())).collect();
        assert_eq!(got, [(2, "CONFIG_A", "y"), (3, "CONFIG_B", "n"), (5, "CONFIG_C", "\"x\"")]);
    }

    #[test]
    fn what_falls_away_is_found_in_either_direction() {
        let flavour = Flavour {
            name: "test".into(),
            fragments: vec![
                fragment("one", "CONFIG_A=y\nCONFIG_KASAN=y\n# CONFIG_TINY is not set\n"),
                fragment("two", "CONFIG_A=n\n"),
            ],
        };
        let lost = flavour.lost(&values("CONFIG_TINY=y\n"));
        let lost: Vec<_> =
            lost.iter().map(|(fragment, r)| (fragment.name.as_str(), r.line, r.option.as_str())).collect();
        assert_eq!(lost, [("one", 2, "CONFIG_KASAN"), ("one", 3, "CONFIG_TINY")]);
        assert!(flavour.lost(&values("CONFIG_KASAN=y\n")).is_empty());
    }

    #[test]
    fn the_error_names_fragment_line_and_dependency() {
        let tree = tempfile::tempdir().unwrap();
        let kconfig = "config KASAN\n\tbool \"x\"\n\tdepends on SLUB && !SLUB_TINY\n\thelp\n\t  depends on luck\n";
        fs::write(tree.path().join("Kconfig.kasan"), kconfig).unwrap();
        let fragment = fragment("sanitizers.config", "CONFIG_KASAN=y\n");
        let request = requests(&fragment.text).unwrap().remove(0);
        let error = fell_away(&[(&fragment, request)], tree.path(), &values("CONFIG_SLUB_TINY=y\n"));
        assert_eq!(error.exit_code().number(), 23);
        insta::assert_snapshot!(error, @r"
        kernel configuration: CONFIG_KASAN did not survive configuration
            sanitizers.config:1 asks for CONFIG_KASAN=y, got not set
              it is defined in Kconfig.kasan:1
              depends on SLUB && !SLUB_TINY   (not set: SLUB)
          > Ask for what it depends on in the same fragment, or drop the request.
        ");
    }

    #[test]
    fn an_unknown_flavour_offers_the_known_ones() {
        let error = Flavour::load("sanitised", Path::new(".")).unwrap_err();
        assert!(error.to_string().contains("sanitized"), "{error}");
    }
}
