//! Commits of the user's repositories, local or remote. They are never changed.
//!
//! For each one there is a bare repository in the cache, in which all work is done. It fetches from a remote repository and
//! borrows the objects of a local one (git alternates). In the local one git only looks up names: no checkout, no lock, no
//! hooks, no filters.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::error::{Error, ErrorKind, Result, io};
use crate::host::git::git;
use crate::host::process::{Cmd, Output, tail};
use crate::host::progress::{Progress, Task};
use crate::host::similar_names::similar_names;
use crate::host::store::Store;
use crate::host::store::lock::StoreLock;
use crate::host::store::manifest::sha256_of;
use crate::source::git_spec::{Commit, Location, RefLookup};

/// Time limit for a server to list its branches.
const TIMEOUT: Duration = Duration::from_secs(120);

/// Our bare repository for one of the user's, locked for as long as the value lives.
#[derive(Debug)]
pub struct Repository {
    location: Location,
    dir: PathBuf,
    _lock: StoreLock,
}

impl Repository {
    /// Opens it, and creates it if necessary.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] when a path is not a git repository; [`ErrorKind::Host`].
    pub fn open(location: &Location, store: &Store) -> Result<Self> {
        let key = location.key();
        let mut format = "sha1".to_string();
        let mut lent = None;
        if let Location::Local(path) = location {
            let objects = look_up(path, &["--git-path", "objects"])?;
            format = look_up(path, &["--show-object-format"])?;
            let shallow = path.join(look_up(path, &["--git-path", "shallow"])?);
            lent = Some((path.join(objects), shallow));
        }
        let lock = store.lock(&format!("git-{key}"))?;
        let dir = store.directory("git", &key)?;
        if !dir.join("HEAD").is_file() {
            git()
                .args(["init", "--quiet", "--bare", "--template=", &format!("--object-format={format}")])
                .path(&dir)
                .succeed(ErrorKind::Host, "git init failed")?;
        }
        if let Some((borrowed, shallow)) = lent {
            let alternates = dir.join("objects/info/alternates");
            fs::create_dir_all(dir.join("objects/info"))
                .and_then(|()| fs::write(&alternates, format!("{}\n", borrowed.display())))
                .map_err(|error| io(&error, "writing", &alternates))?;
            // Without the shallow boundary, git would look for parents that do not exist.
            let ours = dir.join("shallow");
            let copied = if shallow.is_file() { fs::copy(&shallow, &ours).map(drop) } else { remove(&ours) };
            copied.map_err(|error| io(&error, "writing", &ours))?;
        }
        Ok(Repository { location: location.clone(), dir, _lock: lock })
    }

    /// git in our repository, which also has the user's objects.
    pub fn git(&self) -> Cmd {
        git().env("GIT_DIR", self.dir.display().to_string())
    }

    /// The user's repository.
    pub fn location(&self) -> &Location {
        &self.location
    }

    /// A file for notes about this repository.
    pub fn note(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// The commit that `reference` names, with its tree and all its files.
    ///
    /// # Errors
    /// [`ErrorKind::Source`] when there is no such commit or the server cannot be reached.
    pub fn commit(&self, reference: &str, look: RefLookup, progress: &Progress) -> Result<Commit> {
        if reference.is_empty() || reference.starts_with('-') || reference.contains(['\0', '\n', ' ']) {
            return Err(Error::new(ErrorKind::Usage, format!("{reference:?} is not a branch, tag or commit"))
                .next("Name one after the #, as in git:URL#my-branch."));
        }
        let id = match &self.location {
            Location::Local(path) => {
                let found = rev_parse(&theirs(path), reference)?;
                found.ok_or_else(|| self.unknown(reference, &branches(path)))?
            }
            Location::Remote(url) => self.remote(url, reference, look, progress)?,
        };
        self.known(&id)?.ok_or_else(|| {
            Error::new(ErrorKind::Source, format!("{}: files of commit {id} are missing", self.location))
                .next("It may be a partial clone. Name a full clone or the URL.")
        })
    }

    fn remote(&self, url: &str, reference: &str, look: RefLookup, progress: &Progress) -> Result<String> {
        let full = is_id(reference);
        // A full id never changes its meaning.
        if full && self.known(reference)?.is_some() {
            return Ok(reference.to_string());
        }
        let seen = format!("refs/seen/{}", &sha256_of(reference.as_bytes())[..16]);
        if look == RefLookup::Offline {
            let last = rev_parse(&self.git(), &seen)?;
            let id = last.ok_or_else(|| {
                Error::new(ErrorKind::Source, format!("{reference} of {} is not in the cache", self.location))
                    .next("Run once without --offline.")
            })?;
            progress.line(format!("offline: using {reference} as of the last lookup, commit {}", &id[..12]));
            return Ok(id);
        }
        let (id, name) = match full {
            true => (reference.to_string(), None),
            false => match self.ask(url, reference, progress) {
                Ok((id, name)) => (id, Some(name)),
                Err(error) => match rev_parse(&self.git(), &seen)? {
                    Some(last) => {
                        let next = format!(
                            "{}\nAt the last lookup it was {}; --offline uses that commit.",
                            error.next,
                            &last[..12]
                        );
                        return Err(Error { next: next.trim_start().to_string(), ..error });
                    }
                    // An abbreviated id of a commit that was fetched before.
                    None => match rev_parse(&self.git(), reference)? {
                        Some(id) if reference.len() >= 7 && id.starts_with(reference) => return Ok(id),
                        _ => return Err(error),
                    },
                },
            },
        };
        let id = if self.known(&id)?.is_some() { id } else { self.fetch(url, &id, name.as_deref(), progress)? };
        if !full {
            self.git().args(["update-ref", &seen, &id]).succeed(ErrorKind::Host, "git update-ref failed")?;
        }
        Ok(id)
    }

    /// Looks up a name on the server: returns the commit id and the full name.
    fn ask(&self, url: &str, reference: &str, progress: &Progress) -> Result<(String, String)> {
        let task = progress.task(&format!("looking up {reference} in {}", self.location), None);
        let peeled = format!("{reference}^{{}}");
        let output = self.git().args(["ls-remote", "--", url, reference, &peeled]).limit(TIMEOUT).run()?;
        if !output.status.success() {
            return Err(self.unreachable(&output));
        }
        let refs = listed(&output.text);
        let names = ["", "refs/", "refs/tags/", "refs/heads/", "refs/remotes/"].map(|dir| format!("{dir}{reference}"));
        // An annotated tag is an object that points to a commit.
        let found = names.iter().find_map(|name| {
            let exact = |wanted: &str| refs.iter().find(|(_, name)| name == wanted).map(|(id, _)| id.clone());
            Some((exact(&format!("{name}^{{}}")).or_else(|| exact(name))?, name.clone()))
        });
        match found {
            Some((id, name)) => {
                task.done(format!("commit {}", &id[..12]));
                Ok((id, name))
            }
            None => {
                let all = self.git().args(["ls-remote", "--heads", "--tags", "--", url]).limit(TIMEOUT).run()?;
                let names: Vec<String> = listed(&all.text).into_iter().map(|(_, name)| short(&name)).collect();
                Err(self.unknown(reference, &names))
            }
        }
    }

    /// Fetches one commit without its history, by its id. If the server refuses that, fetches it by its name, and if that fails
    /// too, all branches and tags.
    fn fetch(&self, url: &str, id: &str, name: Option<&str>, progress: &Progress) -> Result<String> {
        let task = progress.task(&format!("fetching {} from {}", &id[..12], self.location), None);
        let fetch = |depth: &[&str], refspecs: &[&str]| {
            let fixed = ["fetch", "--progress", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules"];
            let git = self.git().args(fixed).args(depth).args(["--", url]).args(refspecs);
            git.redrawing().each_line(|line| show(line, &task))
        };
        let kept = format!("refs/commits/{id}");
        let mut output = fetch(&["--depth=1"], &[&format!("+{id}:{kept}")])?;
        if !output.status.success()
            && let Some(name) = name
        {
            output = fetch(&["--depth=1"], &[&format!("+{name}^{{}}:{kept}")]).and_then(|peeled| {
                if peeled.status.success() { Ok(peeled) } else { fetch(&["--depth=1"], &[&format!("+{name}:{kept}")]) }
            })?;
        }
        if !output.status.success() && refuses_ids(&output.text) {
            task.message("the server refuses single commits; fetching all branches and tags");
            output = fetch(&[], &["+refs/heads/*:refs/theirs/heads/*", "+refs/tags/*:refs/theirs/tags/*"])?;
        }
        if !output.status.success() {
            return Err(self.unreachable(&output));
        }
        let id = match self.known(id)? {
            Some(commit) => commit.id,
            // The branch has changed since the lookup.
            None => rev_parse(&self.git(), &kept)?.ok_or_else(|| {
                Error::new(ErrorKind::Source, format!("{} has no commit {id} on a branch or a tag", self.location))
                    .next("The branch may have changed meanwhile: try again, or name a branch or a tag.")
            })?,
        };
        task.done(format!("commit {}", &id[..12]));
        Ok(id)
    }

    /// Makes sure that all commits between two are there; from a remote repository, fetches deeper and deeper history.
    ///
    /// # Errors
    /// [`ErrorKind::Source`] when `base` is not an ancestor of `tip`.
    pub fn history(&self, base: &str, tip: &str, depths: &[&str], progress: &Progress) -> Result<()> {
        let leads = || -> Result<bool> {
            let output = self.git().args(["merge-base", "--is-ancestor", base, tip]).run()?;
            Ok(output.status.success())
        };
        if let Location::Remote(url) = &self.location {
            for depth in depths {
                if leads()? {
                    return Ok(());
                }
                let task = progress.task(&format!("fetching the history of {} ({depth})", &tip[..12]), None);
                let kept = format!("+{tip}:refs/commits/{tip}");
                let fetch = ["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", depth, "--", url, &kept];
                let output = self.git().args(fetch).run()?;
                if !output.status.success() {
                    return Err(self.unreachable(&output));
                }
                task.done("fetched");
            }
        }
        if leads()? {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Source,
            format!("{}: {} is not an ancestor of {}", self.location, &base[..12], &tip[..12]),
        )
        .next("In BASE..TIP, BASE is the commit before the first one of the series. Was the branch rebased?"))
    }

    /// The commit, if its objects are there.
    fn known(&self, id: &str) -> Result<Option<Commit>> {
        let git = self.git();
        let Some(id) = rev_parse(&git, id)? else { return Ok(None) };
        let Some(tree) = rev_parse_as(&git, &id, "tree")? else { return Ok(None) };
        Ok(Some(Commit { id, tree }))
    }

    fn unknown(&self, reference: &str, names: &[String]) -> Error {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let meant = similar_names(reference, &names);
        let next = match (meant.is_empty(), &self.location) {
            (false, _) => format!("Did you mean {}?", meant.join(" or ")),
            (true, Location::Remote(_)) => "Name a branch, a tag, or a commit by its full id.".to_string(),
            (true, Location::Local(_)) => "Name a branch, a tag or a commit that `git log` shows there.".to_string(),
        };
        Error::new(ErrorKind::Source, format!("{} has no commit {reference}", self.location)).next(next)
    }

    fn unreachable(&self, output: &Output) -> Error {
        Error::new(ErrorKind::Source, format!("cannot fetch from {}", self.location)).cause(tail(&output.text, 8)).next(
            "Check the URL and the network. git cannot ask for a password here: use an SSH agent, or a local clone.",
        )
    }
}

/// Shows a progress line of git: `Receiving objects:  45% (1234/2743), 12.30 MiB | 4.20 MiB/s`.
fn show(line: &str, task: &Task) {
    let parts = line.split_once(':').and_then(|(what, rest)| Some((what, rest.split_once('(')?.1.split_once(')')?)));
    let Some((what @ ("Receiving objects" | "Resolving deltas"), (counts, rest))) = parts else { return };
    if let Some((at, total)) =
        counts.split_once('/').and_then(|(at, total)| Some((at.parse().ok()?, total.parse().ok()?)))
    {
        task.total(total);
        task.message(format!("{}{}", what.to_lowercase(), rest.trim_end_matches(", done.")));
        task.set(at);
    }
}

/// Whether the server serves only the commits that it advertises.
fn refuses_ids(output: &str) -> bool {
    ["unadvertised object", "not our ref", "couldn't find remote ref"].iter().any(|message| output.contains(message))
}

/// git in the user's repository. Another owner is allowed, since git only looks up names there.
fn theirs(path: &Path) -> Cmd {
    git().args(["-c", "safe.directory=*"]).dir(path)
}

fn look_up(path: &Path, what: &[&str]) -> Result<String> {
    let wrong = |cause: String| {
        Error::new(ErrorKind::Usage, format!("{} is not a git repository", path.display()))
            .cause(cause)
            .next("Name a clone of Linux or a URL, followed by # and a branch, tag or commit.")
    };
    if !path.is_dir() {
        return Err(wrong("there is no such directory".into()));
    }
    let output = theirs(path).arg("rev-parse").args(what).run()?;
    if !output.status.success() {
        return Err(wrong(tail(&output.text, 3)));
    }
    Ok(output.text.lines().last().unwrap_or_default().to_string())
}

/// Branches and tags of a local repository, for suggestions.
fn branches(path: &Path) -> Vec<String> {
    let list = ["for-each-ref", "--count=5000", "--format=%(refname)", "refs/heads", "refs/tags", "refs/remotes"];
    let output = theirs(path).args(list).run();
    output.map_or_else(|_| Vec::new(), |output| output.text.lines().map(short).collect())
}

fn short(name: &str) -> String {
    let name = name.trim_end_matches("^{}");
    ["refs/heads/", "refs/tags/", "refs/remotes/"].iter().find_map(|dir| name.strip_prefix(dir)).unwrap_or(name).into()
}

fn rev_parse(git: &Cmd, name: &str) -> Result<Option<String>> {
    rev_parse_as(git, name, "commit")
}

fn rev_parse_as(git: &Cmd, name: &str, kind: &str) -> Result<Option<String>> {
    let peeled = format!("{name}^{{{kind}}}");
    let output = git.clone().args(["rev-parse", "--verify", "--quiet", "--end-of-options", &peeled]).run()?;
    let id = output.text.lines().find(|line| is_id(line)).map(str::to_string);
    Ok(id.filter(|_| output.status.success()))
}

/// The lines of `ls-remote`, without messages of the server.
fn listed(text: &str) -> Vec<(String, String)> {
    let pair = |line: &str| line.split_once('\t').map(|(id, name)| (id.to_string(), name.to_string()));
    text.lines().filter_map(pair).filter(|(id, _)| is_id(id)).collect()
}

/// Whether it is a full commit id, SHA-1 or SHA-256.
pub fn is_id(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

/// Quotes a path for a colon-separated list, as git reads it.
pub fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    match text.contains([':', '"', '\\']) {
        true => format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")),
        false => text,
    }
}

fn remove(path: &Path) -> std::io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
