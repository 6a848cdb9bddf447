//! The report as junitparser of PyPI reads it.

use super::*;
use crate::host::process::Cmd;

const PIN: &str = "junitparser==5.0.3 --hash=sha256:553535b8cd1672a9c8bd2c7326ae1ae69279267fbc562106b5aa44d3c5f769af\n";

/// Prints the result of each test, after a check of the totals.
const PROGRAM: &str = "
import sys
from junitparser import JUnitXml
for suite in JUnitXml.fromfile(sys.argv[1]):
    totals = lambda: (suite.tests, suite.failures, suite.errors, suite.skipped)
    written = totals()
    suite.update_statistics()
    assert written == totals(), (suite.name, written, totals())
    for case in suite:
        print(' '.join(type(result).__name__ for result in case.result))
";

#[test]
#[ignore = "installs junitparser"]
fn junitparser_reads_every_verdict() {
    let dir = tempfile::tempdir().unwrap();
    let (pins, file) = (dir.path().join("requirements.txt"), dir.path().join("junit.xml"));
    std::fs::write(&pins, PIN).unwrap();
    let words = "-m pip install --quiet --disable-pip-version-check --no-deps --only-binary :all: --require-hashes";
    let pip = Cmd::new("python3").args(words.split(' ')).args(["--target", "packages", "-r"]).path(&pins);
    pip.dir(dir.path()).succeed(ErrorKind::Host, "junitparser cannot be installed").unwrap();

    let all = verdicts();
    let run = report(all.iter().map(|(verdict, _)| verdict.clone()).collect());
    std::fs::write(&file, render(&Matrix::new(vec![Cell::ran(run)])).unwrap()).unwrap();
    let packages = dir.path().join("packages").display().to_string();
    let python = Cmd::new("python3").args(["-c", PROGRAM]).path(&file).env("PYTHONPATH", packages);
    let text = python.succeed(ErrorKind::Host, "junitparser does not read the report").unwrap();
    let wanted = all.iter().map(|(_, kind)| match *kind {
        "passed" => "",
        "failed" => "Failure",
        "error" => "Error",
        _ => "Skipped",
    });
    assert_eq!(text.lines().collect::<Vec<_>>(), wanted.collect::<Vec<_>>());
}
