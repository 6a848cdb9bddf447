//! Names of repositories and commits.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::host::store::manifest::sha256_of;

/// Where a repository is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// On this machine: a work tree or a bare repository.
    Local(PathBuf),
    /// A URL that git can fetch from.
    Remote(String),
}

/// A repository and a reference in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GitSpec {
    /// Where it is.
    pub location: Location,
    /// A branch, a tag or a commit; for a repository on this machine any revision, such as `HEAD~2`.
    pub reference: String,
}

/// A commit that exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// Its full id.
    pub id: String,
    /// The id of its tree, which is the same for the same contents.
    pub tree: String,
}

/// Where to look up a branch or a tag.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RefLookup {
    /// Names are looked up again; full commit ids and Debian packages come from the cache.
    #[default]
    Usual,
    /// Everything is looked up again, Debian packages too.
    Anew,
    /// Only in the cache.
    Offline,
}

impl Location {
    /// Parses a path, a URL, or `host:path`. Relative paths start from `base`, `~/` from the user's home.
    pub fn parse(text: &str, base: &Path) -> Self {
        let expanded = match (text.strip_prefix("~/"), std::env::var_os("HOME")) {
            (Some(rest), Some(home)) => Path::new(&home).join(rest),
            _ => base.join(text),
        };
        let host = text.split_once(':').is_some_and(|(host, _)| !host.is_empty() && !host.contains('/'));
        if !expanded.exists() && (text.contains("://") || host) {
            Location::Remote(text.to_string())
        } else {
            Location::Local(expanded)
        }
    }

    /// A short name for it in the cache, the same for the same place.
    pub fn key(&self) -> String {
        let place = match self {
            Location::Local(path) => path.canonicalize().unwrap_or(path.clone()).display().to_string(),
            Location::Remote(url) => url.clone(),
        };
        sha256_of(place.as_bytes())[..12].to_string()
    }
}

impl fmt::Display for Location {
    /// Without a user name and password in the URL.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Location::Local(path) => write!(f, "{}", path.display()),
            Location::Remote(url) => match url.split_once("://") {
                Some((scheme, rest)) => {
                    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
                    write!(f, "{scheme}://{}/{path}", host.rsplit('@').next().unwrap_or(host))
                }
                None => write!(f, "{url}"),
            },
        }
    }
}

impl GitSpec {
    /// Parses `[git:]PLACE[#REF]`; the default reference is HEAD. None if there is neither `git:` nor `#`.
    pub fn parse(text: &str, base: &Path) -> Option<Self> {
        let prefixed = text.strip_prefix("git:");
        if prefixed.is_none() && !text.contains('#') {
            return None;
        }
        let text = prefixed.unwrap_or(text);
        let (place, reference) = text.rsplit_once('#').unwrap_or((text, "HEAD"));
        let reference = if reference.is_empty() { "HEAD" } else { reference };
        Some(GitSpec { location: Location::parse(place, base), reference: reference.to_string() })
    }
}

impl fmt::Display for GitSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.location, self.reference)
    }
}
