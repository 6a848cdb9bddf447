//! apt with its own state: reads any suite of Debian without changing the system's lists, pins or packages.
//!
//! Each suite has its own directory, so that apt's answer comes from that suite, and a suite that no longer exists does not
//! affect the others. Only the package index is fetched, and apt checks its signature.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind, Result, io};
use crate::host::machine::Machine;
use crate::host::process::tail;
use crate::host::progress::Task;

/// Environment variable that names a mirror, for machines without one, such as Ubuntu.
const MIRROR: &str = "DEBIAN_MIRROR";
const KEYRINGS: &[&str] =
    &["/usr/share/keyrings/debian-archive-keyring.gpg", "/usr/share/keyrings/debian-archive-keyring.pgp"];

/// A private apt.
pub struct Apt<'a> {
    machine: &'a Machine,
    state: PathBuf,
    keyring: PathBuf,
    mirrors: Mirrors,
}

/// A version of a package in a suite.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    pub package: String,
    pub suite: String,
    pub version: String,
    pub sha256: String,
    /// Size of the package file, in bytes.
    pub size: u64,
    /// Size of the files in it, in bytes.
    pub installed: u64,
}

/// URLs of Debian's archives.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Mirrors {
    main: String,
    security: String,
}

impl<'a> Apt<'a> {
    /// Prepares a private apt below `state`.
    pub fn new(machine: &'a Machine, state: PathBuf) -> Result<Self> {
        let tools = ["apt-get", "apt-cache", "dpkg-deb", "tar", "xz"];
        let missing: Vec<&str> = tools.into_iter().filter(|tool| machine.program(tool).is_none()).collect();
        if !missing.is_empty() {
            return Err(Error::new(ErrorKind::Host, "this machine cannot fetch Debian packages")
                .cause(format!("not found: {}", missing.join(", ")))
                .next(
                    "Name a kernel tree with --kernel-tree, or give the kernel a directory or tarball in kernels.toml.",
                ));
        }
        let keyring = machine.first_of(KEYRINGS).ok_or_else(|| {
            Error::new(
                ErrorKind::Host,
                "the signatures of Debian packages cannot be checked: there is no Debian archive keyring",
            )
            .next("apt-get install debian-archive-keyring")
        })?;
        Ok(Apt { machine, state, keyring, mirrors: Mirrors::of(machine)? })
    }

    /// Fetches the index of a suite if there is a newer one.
    pub fn update(&self, suite: &str) -> Result<()> {
        let dir = self.state.join(suite);
        for sub in ["lists/partial", "cache/archives/partial", "preferences"] {
            fs::create_dir_all(dir.join(sub)).map_err(|error| io(&error, "creating", &dir.join(sub)))?;
        }
        let mirror = if suite.ends_with("-security") { &self.mirrors.security } else { &self.mirrors.main };
        let keyring = self.keyring.display();
        let sources = format!("deb [arch=amd64 target=Packages signed-by={keyring}] {mirror} {suite} main\n");
        for (name, text) in [("sources.list", sources.as_str()), ("status", "")] {
            fs::write(dir.join(name), text).map_err(|error| io(&error, "writing", &dir.join(name)))?;
        }
        let output = self.apt("apt-get", suite).args(["-q", "-o", "APT::Update::Error-Mode=any", "update"]).run()?;
        let errors: Vec<&str> = output.text.lines().filter(|line| line.starts_with("E: ")).collect();
        if output.status.success() && errors.is_empty() {
            return Ok(());
        }
        if output.text.contains("No space left on device") {
            return Err(io(&std::io::ErrorKind::StorageFull.into(), "fetching package lists into", &dir));
        }
        let cause = if errors.is_empty() { tail(&output.text, 3) } else { errors.join("\n") };
        Err(Error::new(ErrorKind::Source, format!("the suite {suite} cannot be read"))
            .cause(cause)
            .next("Check the network, or use a kernel on this machine: --kernel-tree, --tarball."))
    }

    /// The newest version of a package in a suite that was updated.
    pub fn offer(&self, suite: &str, package: &str) -> Result<Option<Offer>> {
        let output = self.apt("apt-cache", suite).args(["--no-all-versions", "show", package]).run()?;
        Ok(parse_offer(&output.text, package, suite))
    }

    /// The kernel trees of a suite, such as `linux-source-7.2 7.2.13-1`.
    pub fn kernels(&self, suite: &str) -> Vec<String> {
        let names = self.apt("apt-cache", suite).args(["pkgnames", "linux-source-"]).run();
        let mut names: Vec<String> =
            names.map(|output| output.text.lines().map(str::to_string).collect()).unwrap_or_default();
        names.retain(|name| name.starts_with("linux-source-"));
        names.sort();
        let offers = names.iter().filter_map(|name| self.offer(suite, name).ok().flatten());
        offers.map(|offer| format!("{} {}", offer.package, offer.version)).collect()
    }

    /// Downloads a package into a directory; apt chooses the file name. An incomplete download is resumed.
    pub fn download(&self, offer: &Offer, into: &Path, task: &Task) -> Result<()> {
        let wanted = format!("{}={}", offer.package, offer.version);
        let cmd =
            self.apt("apt-get", &offer.suite).args(["-q", "-o", "APT::Status-Fd=1", "download", &wanted]).dir(into);
        let mut messages = String::new();
        let output = cmd.each_line(|line| match line.strip_prefix("dlstatus:") {
            Some(status) => {
                let percent = status.split(':').nth(1).and_then(|percent| percent.parse::<f64>().ok());
                task.set((offer.size as f64 * percent.unwrap_or(0.0) / 100.0) as u64);
            }
            None => messages.push_str(&format!("{line}\n")),
        })?;
        if output.status.success() {
            return Ok(());
        }
        if messages.contains("No space left on device") {
            return Err(io(
                &std::io::ErrorKind::StorageFull.into(),
                &format!("downloading {} into", offer.package),
                into,
            ));
        }
        Err(Error::new(ErrorKind::Source, format!("{wanted} cannot be downloaded"))
            .cause(tail(&messages, 6))
            .next("Check the network; the next run resumes the download."))
    }

    fn apt(&self, program: &str, suite: &str) -> crate::host::process::Cmd {
        let dir = self.state.join(suite);
        let at = |option: &str, name: &str| format!("{option}={}", dir.join(name).display());
        let options = [
            at("Dir::Etc::SourceList", "sources.list"),
            "Dir::Etc::SourceParts=-".to_string(),
            // Pins, the default release and installed packages of the system would hide versions.
            at("Dir::Etc::Preferences", "preferences/none"),
            at("Dir::Etc::PreferencesParts", "preferences"),
            "APT::Default-Release=".to_string(),
            at("Dir::State::Lists", "lists"),
            at("Dir::State::status", "status"),
            at("Dir::Cache", "cache"),
            "APT::Architecture=amd64".to_string(),
            "APT::Architectures=amd64".to_string(),
            "Acquire::Languages=none".to_string(),
            // The index is needed once; fetching it whole is faster than a chain of diffs.
            "Acquire::PDiffs=false".to_string(),
            "Acquire::Retries=3".to_string(),
            "Acquire::http::Timeout=30".to_string(),
        ];
        let mut cmd = self.machine.cmd(program);
        for option in &options {
            cmd = cmd.args(["-o", option]);
        }
        // The _apt user cannot write into a cache below a home directory, and apt prints a long warning about it.
        if self.machine.superuser { cmd.args(["-o", "APT::Sandbox::User=root"]) } else { cmd }
    }
}

impl Mirrors {
    /// The mirrors that this machine uses, from apt itself or, if its lists were never fetched, from its configuration.
    fn of(machine: &Machine) -> Result<Mirrors> {
        let format = "$(ORIGIN)|$(RELEASE)|$(SITE)";
        let targets = machine.cmd("apt-get").args(["indextargets", "--format", format]).run()?;
        let known = targets.text.lines().filter_map(|line| {
            let (suite, site) = line.strip_prefix("Debian|")?.split_once('|')?;
            Some((suite.to_string(), site.to_string()))
        });
        let mut sites: Vec<(String, String)> = known.collect();
        if sites.is_empty() && machine.os_release("ID").as_deref() == Some("debian") {
            sites = configured(machine);
        }
        Mirrors::pick(&sites, std::env::var(MIRROR).ok())
    }

    fn pick(sites: &[(String, String)], named: Option<String>) -> Result<Mirrors> {
        let is_security = |suite: &str| suite.ends_with("-security") || suite.ends_with("/updates");
        let find = |security: bool| sites.iter().find(|(suite, _)| is_security(suite) == security);
        let site = |(_, site): &(String, String)| site.trim_end_matches('/').to_string();
        let main = find(false).map(site).or(named).ok_or_else(|| {
            Error::new(ErrorKind::Host, "no Debian mirror is configured on this machine").next(format!(
                "Set {MIRROR} to the URL of one (Debian's web site lists them), or test your own tree with --kernel-tree."
            ))
        })?;
        let security = find(true).map_or_else(|| format!("{main}-security"), site);
        Ok(Mirrors { main, security })
    }
}

/// Suites and URLs in the files that Debian itself writes. Other files name third-party archives, often with the name of a
/// Debian suite.
fn configured(machine: &Machine) -> Vec<(String, String)> {
    let mut sites = Vec::new();
    for line in machine.text("/etc/apt/sources.list").unwrap_or_default().lines() {
        let line = line.split('#').next().unwrap_or_default();
        let Some(rest) = line.trim_start().strip_prefix("deb ") else { continue };
        let rest = rest.trim_start();
        let rest = match rest.strip_prefix('[') {
            Some(options) => options.split_once(']').map_or("", |(_options, rest)| rest),
            None => rest,
        };
        let mut words = rest.split_whitespace();
        if let (Some(site), Some(suite)) = (words.next(), words.next()) {
            sites.push((suite.to_string(), site.to_string()));
        }
    }
    let modern = machine.text("/etc/apt/sources.list.d/debian.sources").unwrap_or_default();
    for paragraph in modern.split("\n\n") {
        let field = |name: &str| {
            let mut lines = paragraph.lines().filter_map(|line| line.split_once(':'));
            lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim().to_string())
        };
        if field("Enabled").as_deref() == Some("no") {
            continue;
        }
        let (uris, suites) = (field("URIs").unwrap_or_default(), field("Suites").unwrap_or_default());
        for suite in suites.split_whitespace() {
            sites.extend(uris.split_whitespace().map(|site| (suite.to_string(), site.to_string())));
        }
    }
    sites.retain(|(_, site)| !site.starts_with("cdrom:"));
    sites
}

fn parse_offer(text: &str, package: &str, suite: &str) -> Option<Offer> {
    let paragraph =
        text.split("\n\n").find(|paragraph| paragraph.lines().any(|line| line == format!("Package: {package}")))?;
    let field = |name: &str| paragraph.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    Some(Offer {
        package: package.to_string(),
        suite: suite.to_string(),
        version: field("Version")?.to_string(),
        sha256: field("SHA256")?.to_lowercase(),
        size: field("Size")?.parse().ok()?,
        installed: field("Installed-Size").and_then(|size| size.parse::<u64>().ok()).unwrap_or(0) * 1024,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::machine::{pretend, put};

    #[test]
    fn an_offer_is_read_from_the_packages_paragraph() {
        let sum = "0a".repeat(32);
        let text = format!(
            "Package: linux-source-7.2\nVersion: 7.2.13-1\nInstalled-Size: 2\nSize: 1000\nSHA256: {sum}\n\n\
             Package: other\n"
        );
        let offer = parse_offer(&text, "linux-source-7.2", "sid").unwrap();
        assert_eq!((offer.version.as_str(), offer.size, offer.installed, offer.sha256), ("7.2.13-1", 1000, 2048, sum));
        assert_eq!(parse_offer("N: Unable to locate package\n", "linux-source-7.2", "sid"), None);
    }

    #[test]
    fn the_mirror_is_that_of_apt() {
        let dir = tempfile::tempdir().unwrap();
        let targets =
            "printf 'Other|x|http://a.test/x\\nDebian|some-security|http://b.test/s\\nDebian|some|http://c.test/d/\\n'";
        let machine = pretend(dir.path(), &[("apt-get", targets)]);
        let mirrors = Mirrors { main: "http://c.test/d".to_string(), security: "http://b.test/s".to_string() };
        assert_eq!(Mirrors::of(&machine).unwrap(), mirrors);
    }

    #[test]
    fn without_lists_the_mirror_comes_from_the_configuration() {
        let dir = tempfile::tempdir().unwrap();
        let machine = pretend(dir.path(), &[("apt-get", "")]);
        put(&machine, "/etc/os-release", "ID=debian\n");
        put(&machine, "/etc/apt/sources.list", "# none\ndeb cdrom:[x]/ some main\n");
        let modern = "Types: deb\n# a comment: here\nURIs: http://c.test/debian\nSuites: some some-updates\n\n\
                      Types: deb\nURIs: http://c.test/s\nSuites: some-security\n\n\
                      Enabled: no\nURIs: http://d.test\nSuites: x\n";
        put(&machine, "/etc/apt/sources.list.d/debian.sources", modern);
        let mirrors = Mirrors { main: "http://c.test/debian".to_string(), security: "http://c.test/s".to_string() };
        assert_eq!(Mirrors::of(&machine).unwrap(), mirrors);
        put(
            &machine,
            "/etc/apt/sources.list",
            "deb [ signed-by=/k arch=amd64 ] http://e.test/debian some main # mine\n",
        );
        assert_eq!(Mirrors::of(&machine).unwrap().main, "http://e.test/debian");
    }

    #[test]
    fn other_distributions_need_the_mirror_variable() {
        let error = Mirrors::pick(&[], None).unwrap_err();
        assert!(error.next.contains(MIRROR), "{error}");
        let mirrors = Mirrors::pick(&[], Some("http://m.test/debian".into())).unwrap();
        assert_eq!(mirrors.security, "http://m.test/debian-security");
        assert_eq!(mirrors.main, "http://m.test/debian");
    }

    #[test]
    fn without_apt_the_error_names_alternatives() {
        let dir = tempfile::tempdir().unwrap();
        let machine = pretend(dir.path(), &[("tar", ""), ("xz", "")]);
        let error = Apt::new(&machine, dir.path().join("state")).err().unwrap();
        assert_eq!(error.kind, ErrorKind::Host);
        assert_eq!(error.cause, "not found: apt-get, apt-cache, dpkg-deb");
        assert!(error.next.contains("--kernel-tree") && error.next.contains("tarball"), "{error}");
    }

    #[test]
    fn without_the_keyring_the_error_says_how_to_install_it() {
        let dir = tempfile::tempdir().unwrap();
        let tools = ["apt-get", "apt-cache", "dpkg-deb", "tar", "xz"].map(|tool| (tool, ""));
        let machine = pretend(dir.path(), &tools);
        let error = Apt::new(&machine, dir.path().join("state")).err().unwrap();
        assert_eq!(error.next, "apt-get install debian-archive-keyring");
    }
}
