//! The KTAP report, read by the parser of the kernel tree.

use std::fs;
use std::process::Command;

use harness::host::progress::{Mode, Progress};
use harness::host::store::Store;
use harness::source::git_spec::RefLookup;
use harness::source::{self, spec::Kernels};

use super::root;

/// Prints each test as tools/testing/kunit/kunit_parser.py reads it.
const PROGRAM: &str = "
import sys
sys.path.insert(0, sys.argv[1])
sys.dont_write_bytecode = True
import kunit_parser
from kunit_printer import Printer
class Quiet(Printer):
    def print(self, message):
        pass
    def print_with_timestamp(self, message):
        pass
found = kunit_parser.parse_run_tests(open(sys.argv[2]).read().split('\\n'), Quiet())
print(found.status.name, found.counts.errors)
for test in found.subtests:
    print(test.status.name, test.name)
";

/// The statuses of the whole and of each test.
fn read_by_the_kernel(ktap: &str) -> Vec<String> {
    let kernels = Kernels::load(&root().join("kernels.toml")).expect("kernels.toml is valid");
    let store = Store::open(None).expect("the cache");
    let spec = &kernels.get(kernels.default_id()).expect("the default kernel").source;
    let tree = source::provide(spec, &store, &Progress::new(Mode::Quiet), RefLookup::Usual).expect("its source");
    let dir = tempfile::tempdir().expect("a temporary directory");
    let file = dir.path().join("ktap");
    fs::write(&file, ktap).expect("it can be written");
    let output = Command::new("python3")
        .args(["-c", PROGRAM])
        .arg(tree.dir.join("tools/testing/kunit"))
        .arg(&file)
        .output()
        .expect("python3 runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("text");
    text.lines().map(|line| line.split(' ').next().unwrap_or_default().to_string()).collect()
}

#[test]
#[ignore = "needs the source of a kernel"]
fn the_parser_of_the_kernel_reads_every_verdict() {
    let name = "harness__report__render__ktap__tests__every_verdict_is_one_result_line.snap";
    let snapshot =
        fs::read_to_string(root().join("harness/src/report/render/snapshots").join(name)).expect("it is there");
    let ktap = &snapshot[snapshot.find("KTAP version").expect("a report")..];
    let wanted = ktap.lines().filter_map(|line| {
        let skipped = line.contains(" # SKIP ");
        let status = if skipped { "SKIPPED" } else { "SUCCESS" };
        if line.starts_with("ok ") { Some(status) } else { line.starts_with("not ok ").then_some("FAILURE") }
    });
    let wanted: Vec<&str> = ["FAILURE"].into_iter().chain(wanted).collect();
    assert!(wanted.len() > 10, "{wanted:?}");
    assert_eq!(read_by_the_kernel(ktap), wanted);
    // A run that cannot be believed, and one of which everything is as expected.
    let doubt = "KTAP version 1\n1..2\nok 1 a/b@c\nnot ok 2 protocol # ERROR a record is missing\n";
    assert_eq!(read_by_the_kernel(doubt), ["FAILURE", "SUCCESS", "FAILURE"]);
    let known = "KTAP version 1\n1..2\nok 1 a/b@c\nok 2 a/d@c # XFAIL known defect of this kernel: x\n";
    assert_eq!(read_by_the_kernel(known), ["SUCCESS", "SUCCESS", "SUCCESS"]);
}
