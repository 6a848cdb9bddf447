//! kernels.toml: the kernels that can be tested, and where their sources come from.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::error::{Context, Error, ErrorKind, Result, io};
use crate::host::similar_names::similar_names;
use crate::source::git_spec::{GitSpec, Location};

/// A kernel of kernels.toml.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KernelSpec {
    /// Its name on the command line.
    pub id: String,
    /// Where its source comes from.
    pub source: SourceSpec,
    /// The default flavour of its configuration.
    pub flavour: String,
    /// One line for `list`.
    pub about: String,
}

/// Where a kernel source comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceSpec {
    /// A Debian package that contains a kernel tree.
    Debian {
        /// Such as `linux-source-7.2`.
        package: String,
        /// Suites to search, in this order; the first that has the package is used.
        suites: Vec<String>,
    },
    /// The user's own tree. It is never changed.
    Directory(PathBuf),
    /// A commit of a repository, which is never changed.
    Git(GitSpec),
    /// A tarball.
    Tarball {
        /// The file.
        path: PathBuf,
        /// The required SHA-256 sum, in lower-case hexadecimal. If None, every file is accepted.
        sha256: Option<String>,
    },
}

/// All kernels of kernels.toml.
#[derive(Clone, Debug)]
pub struct Kernels {
    path: PathBuf,
    default: String,
    kernels: Vec<KernelSpec>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    default: String,
    kernel: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    id: String,
    about: String,
    #[serde(default = "sanitized")]
    flavour: String,
    debian: Option<String>,
    #[serde(default)]
    suites: Vec<String>,
    directory: Option<PathBuf>,
    git: Option<String>,
    #[serde(rename = "ref")]
    reference: Option<String>,
    tarball: Option<PathBuf>,
    sha256: Option<String>,
}

fn sanitized() -> String {
    "sanitized".to_string()
}

impl KernelSpec {
    /// The repository that its source is in, from which a series can be a range of commits.
    pub fn repository(&self) -> Option<Location> {
        match &self.source {
            SourceSpec::Git(spec) => Some(spec.location.clone()),
            SourceSpec::Directory(dir) => Some(Location::Local(dir.clone())),
            _ => None,
        }
    }

    /// The name of its build directory. Commits of a repository share one, so that going from one to another is an incremental
    /// build.
    pub fn build_dir(&self) -> String {
        match &self.source {
            SourceSpec::Git(spec) => format!("git-{}", spec.location.key()),
            _ => self.id.clone(),
        }
    }
}

impl Kernels {
    /// Reads kernels.toml. Relative paths in it start from its own directory.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] when it cannot be read or is invalid, with line and column.
    pub fn load(path: &Path) -> Result<Kernels> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| Error { kind: ErrorKind::Usage, ..io(&error, "reading", path) })?;
        Kernels::parse(&text, path)
    }

    fn parse(text: &str, path: &Path) -> Result<Kernels> {
        let file: File = toml::from_str(text).context(ErrorKind::Usage, || format!("{} is invalid", path.display()))?;
        let base = path.parent().unwrap_or(Path::new(""));
        let mut kernels: Vec<KernelSpec> = Vec::new();
        for entry in file.kernel {
            let id = entry.id.clone();
            let wrong = |what: String| {
                Error::new(ErrorKind::Usage, format!("{}: kernel {id:?} {what}", path.display()))
                    .next("Correct that entry; the comment at the top of the file describes the format.")
            };
            if kernels.iter().any(|known| known.id == id) {
                return Err(wrong("is defined twice".to_string()));
            }
            kernels.push(entry.spec(base).map_err(wrong)?);
        }
        let all = Kernels { path: path.to_path_buf(), default: file.default, kernels };
        all.get(&all.default)?;
        Ok(all)
    }

    /// The id of the default kernel.
    pub fn default_id(&self) -> &str {
        &self.default
    }

    /// All of them, in the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = &KernelSpec> {
        self.kernels.iter()
    }

    /// A kernel by its id.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] with similar ids.
    pub fn get(&self, id: &str) -> Result<&KernelSpec> {
        self.kernels.iter().find(|kernel| kernel.id == id).ok_or_else(|| {
            let ids: Vec<&str> = self.kernels.iter().map(|kernel| kernel.id.as_str()).collect();
            let near = similar_names(id, &ids);
            let next = if near.is_empty() { String::new() } else { format!("Did you mean {}?", near.join(" or ")) };
            Error::new(ErrorKind::Usage, format!("there is no kernel {id:?}"))
                .cause(format!("{} has {}", self.path.display(), ids.join(", ")))
                .next(next)
        })
    }
}

impl Entry {
    fn spec(self, base: &Path) -> std::result::Result<KernelSpec, String> {
        if self.git.is_none() && self.reference.is_some() {
            return Err("has a ref, but no git repository".to_string());
        }
        let source = match (self.debian, self.directory, self.tarball, self.git) {
            (Some(_), None, None, None) if self.suites.is_empty() => {
                return Err("has no suites".to_string());
            }
            (Some(package), None, None, None) if is_package(&package) => {
                SourceSpec::Debian { package, suites: self.suites }
            }
            (Some(package), None, None, None) => {
                return Err(format!("has debian = {package:?}, which is not a Debian package name"));
            }
            (None, Some(directory), None, None) => SourceSpec::Directory(base.join(directory)),
            (None, None, Some(tarball), None) => {
                let sha256 = self.sha256.ok_or("has a tarball, but no sha256")?.to_lowercase();
                if sha256.len() != 64 || !sha256.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                    return Err(format!("has the sha256 {sha256:?}, which is not 64 hexadecimal digits"));
                }
                SourceSpec::Tarball { path: base.join(tarball), sha256: Some(sha256) }
            }
            (None, None, None, Some(git)) => {
                let reference = self.reference.ok_or("has a git repository, but no ref")?;
                SourceSpec::Git(GitSpec { location: Location::parse(&git, base), reference })
            }
            _ => return Err("needs exactly one of debian, directory, git and tarball".to_string()),
        };
        if let SourceSpec::Debian { suites, .. } = &source
            && let Some(suite) = suites.iter().find(|suite| !is_suite(suite))
        {
            return Err(format!("has the suite {suite:?}, which is not a Debian suite name"));
        }
        Ok(KernelSpec { id: self.id, source, flavour: self.flavour, about: self.about })
    }
}

/// Package and suite names get into a sources.list and into commands, so other characters are rejected.
fn is_package(name: &str) -> bool {
    !name.starts_with(['-', '.', '+'])
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"+-.".contains(&b))
}

fn is_suite(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(['-', '.'])
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(kernels: &str) -> Result<Kernels> {
        Kernels::parse(&format!("default = \"7.2\"\n{kernels}"), Path::new("/project/kernels.toml"))
    }

    const SEVEN: &str = "[[kernel]]\nid = \"7.2\"\nabout = \"\"\ndebian = \"linux-source-7.2\"\nsuites = [\"sid\"]\n";

    #[test]
    fn the_projects_own_file_is_valid() {
        let kernels = Kernels::load(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../kernels.toml"))).unwrap();
        assert_eq!(kernels.default_id(), "7.2");
        for id in ["6.1", "6.12", "7.2", "7.3"] {
            let SourceSpec::Debian { package, suites } = &kernels.get(id).unwrap().source else { panic!("{id}") };
            assert_eq!(package, &format!("linux-source-{id}"));
            assert!(suites.len() > 1);
        }
    }

    #[test]
    fn the_error_for_an_unknown_kernel_suggests_similar_ids() {
        let kernels = parse(&format!("{SEVEN}{}", SEVEN.replace("7.2", "6.12"))).unwrap();
        let error = kernels.get("7.2.13").unwrap_err();
        assert_eq!((error.kind, error.exit_code().number()), (ErrorKind::Usage, 2));
        assert!(error.to_string().ends_with("/project/kernels.toml has 7.2, 6.12\n  > Did you mean 7.2?"), "{error}");
        assert!(kernels.get("windows").unwrap_err().next.is_empty());
    }

    #[test]
    fn paths_of_directories_and_tarballs_start_at_the_file() {
        let sum = "AB".repeat(32);
        let kernels = parse(&format!(
            "{SEVEN}[[kernel]]\nid = \"mine\"\nabout = \"\"\nflavour = \"fast\"\ndirectory = \"../linux\"\n\
             [[kernel]]\nid = \"packed\"\nabout = \"\"\ntarball = \"/srv/linux.tar.xz\"\nsha256 = \"{sum}\"\n"
        ));
        let kernels = kernels.unwrap();
        let mine = kernels.get("mine").unwrap();
        assert_eq!(mine.source, SourceSpec::Directory(PathBuf::from("/project/../linux")));
        assert_eq!(mine.flavour, "fast");
        let packed = SourceSpec::Tarball { path: PathBuf::from("/srv/linux.tar.xz"), sha256: Some(sum.to_lowercase()) };
        assert_eq!(kernels.get("packed").unwrap().source, packed);
    }

    #[test]
    fn commits_of_a_repository_share_a_build_directory() {
        let entry = |id: &str, rest: &str| format!("[[kernel]]\nid = \"{id}\"\nabout = \"\"\n{rest}\n");
        let kernels = parse(&format!(
            "{SEVEN}{}{}{}",
            entry("a", "git = \"../linux\"\nref = \"v7.2\""),
            entry("b", "git = \"../linux\"\nref = \"main\""),
            entry("far", "git = \"https://example.org/linux.git\"\nref = \"main\""),
        ));
        let kernels = kernels.unwrap();
        let git = |id: &str| kernels.get(id).unwrap().clone();
        let place = Location::Local(PathBuf::from("/project/../linux"));
        assert_eq!(git("a").source, SourceSpec::Git(GitSpec { location: place, reference: "v7.2".into() }));
        assert_eq!(git("a").build_dir(), git("b").build_dir());
        assert_ne!(git("a").build_dir(), git("far").build_dir());
        let SourceSpec::Git(far) = git("far").source else { panic!() };
        assert_eq!(far.to_string(), "https://example.org/linux.git#main");
    }

    #[test]
    fn each_mistake_has_its_own_message() {
        let entry = |rest: &str| format!("{SEVEN}[[kernel]]\nid = \"x\"\nabout = \"\"\n{rest}\n");
        for (text, part) in [
            (format!("{SEVEN}{SEVEN}"), "is defined twice"),
            (entry(""), "exactly one of"),
            (entry("debian = \"linux-source-7.2\""), "no suites"),
            (entry("debian = \"-o Evil\"\nsuites = [\"sid\"]"), "not a Debian package name"),
            (entry("debian = \"linux-source-7.2\"\nsuites = [\"sid main\\ndeb x\"]"), "not a Debian suite name"),
            (entry("tarball = \"x.tar\""), "but no sha256"),
            (entry("tarball = \"x.tar\"\nsha256 = \"12\""), "not 64 hexadecimal digits"),
            (entry("git = \"x\""), "but no ref"),
            (entry("debian = \"linux-source-7.2\"\nsuites = [\"sid\"]\nref = \"x\""), "but no git"),
            (entry("directroy = \"x\""), "unknown field"),
            (SEVEN.replace("7.2\"\nabout", "7.3\"\nabout"), "no kernel \"7.2\""),
        ] {
            let error = parse(&text).err().unwrap_or_else(|| panic!("accepted: {text}"));
            assert_eq!(error.kind, ErrorKind::Usage);
            assert!(error.to_string().contains(part), "{error}");
        }
    }

    #[test]
    fn a_missing_file_is_a_usage_error() {
        assert_eq!(Kernels::load(Path::new("/nonexistent/kernels.toml")).unwrap_err().kind, ErrorKind::Usage);
    }
}
