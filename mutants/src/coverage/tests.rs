use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use cases::protocol::{Line, Record};

use super::added::{Added, added};
use super::counters::{Counters, counters};
use super::summary::{Sources, rows, table, unreached};
use super::uncovered::{Source, UncoveredList};
use super::*;
use harness::guest::recording::{GuestEnd, Phase};
use harness::host::process::Cmd;

/// The program that [`OUTPUT`] is about, compiled with -O2 and run once.
const SOURCE: &str = "\
static inline int twice(int x)
{
	if (x > 3)
		return 2 * x;
	return x;
}

static int never(int x)
{
	return x + 1;
}

int main(int argc, char **argv)
{
	int sum = 0;

	for (int i = 0; i < 5; i++)
		sum += twice(i);
	if (argc > 5)
		sum += never(twice(argc));
	return sum == 0;
}
";
/// Output of gcov 12.2, with a warning before it.
const OUTPUT: &str = r#"x.gcda:something to complain about
{"gcc_version": "12.2.0", "files": [{"lines": [{"branches": [{"fallthrough": true, "count": 1, "throw": false}, {"fallthrough": false, "count": 4, "throw": false}], "count": 5, "line_number": 3, "unexecuted_block": false}, {"branches": [], "count": 1, "line_number": 4, "unexecuted_block": true}, {"branches": [], "count": 0, "line_number": 10, "unexecuted_block": true}, {"branches": [], "count": 1, "line_number": 13, "unexecuted_block": false, "function_name": "main"}, {"branches": [{"fallthrough": false, "count": 5, "throw": false}, {"fallthrough": true, "count": 1, "throw": false}], "count": 6, "line_number": 17, "unexecuted_block": false, "function_name": "main"}, {"branches": [], "count": 5, "line_number": 18, "unexecuted_block": false, "function_name": "main"}, {"branches": [{"fallthrough": true, "count": 0, "throw": false}, {"fallthrough": false, "count": 1, "throw": false}], "count": 1, "line_number": 19, "unexecuted_block": false, "function_name": "main"}, {"branches": [], "count": 0, "line_number": 20, "unexecuted_block": true, "function_name": "main"}, {"branches": [], "count": 1, "line_number": 21, "unexecuted_block": false, "function_name": "main"}], "functions": [{"blocks": 8, "end_column": 1, "start_line": 13, "name": "main", "blocks_executed": 7, "execution_count": 1, "demangled_name": "main", "start_column": 5, "end_line": 22}], "file": "../tree/drivers/s.c"}, {"lines": [], "functions": [], "file": "../tree/include/other.h"}], "format_version": "1", "current_working_directory": "objects", "data_file": "x.gcda"}
"#;
const FILE: &str = "drivers/s.c";

fn wanted() -> BTreeSet<PathBuf> {
    BTreeSet::from([FILE.into()])
}

fn recorded() -> Coverage {
    gcov::parse(OUTPUT, &wanted()).unwrap()
}

fn sources() -> Sources {
    Sources([(FILE.to_string(), SOURCE.to_string())].into())
}

#[test]
fn the_output_of_gcov_is_parsed() {
    let coverage = recorded();
    assert_eq!(coverage.files.len(), 1, "a header that was not requested is included");
    let counts = &coverage.files[FILE];
    assert_eq!((counts.count(18), counts.count(10), counts.count(1)), (Some(5), Some(0), None));
    assert_eq!(counts.unreached().collect::<Vec<_>>(), [10, 20]);
    assert_eq!((counts.line_share(), counts.branch_share()), (Share { hit: 7, of: 9 }, Share { hit: 5, of: 6 }));
    let strange = OUTPUT.replace(r#""format_version": "1""#, r#""format_version": "9""#);
    assert!(gcov::parse(&strange, &wanted()).unwrap_err().title.contains("format 9"));
    assert!(gcov::parse("Segmentation fault", &wanted()).is_err());
}

#[test]
fn guests_are_added_up_line_by_line_and_branch_by_branch() {
    let mut sum = recorded();
    let mut other = recorded();
    let place = &mut other.files.get_mut(FILE).unwrap().lines.get_mut(&19).unwrap()[0];
    place.branches = vec![7, 0];
    sum.add(&other);
    let counts = &sum.files[FILE];
    assert_eq!((counts.count(18), counts.lines[&19][0].branches.clone()), (Some(10), vec![7, 1]));
    assert_eq!(counts.branch_share(), Share { hit: 6, of: 6 });
    // A guest that reached nothing changes nothing.
    let before = sum.clone();
    sum.add(&Coverage::default());
    assert_eq!(sum, before);
}

#[test]
fn inlined_functions_are_counted_by_their_lines() {
    let functions = sources().functions(FILE, &recorded().files[FILE]);
    let named: Vec<_> = functions.iter().map(|(name, line, count)| (name.as_str(), *line, *count)).collect();
    assert_eq!(named, [("twice", 1, 5), ("never", 8, 0), ("main", 13, 6)]);
}

#[test]
fn added_lines_have_numbers_of_the_new_file() {
    let old = SOURCE.replace("\tif (argc > 5)\n\t\tsum += never(twice(argc));\n", "");
    assert_eq!(added(&old, SOURCE).into_iter().collect::<Vec<_>>(), [19, 20]);
    assert_eq!(added(SOURCE, SOURCE), BTreeSet::new());
    assert_eq!(added("", "a\nb\n").len(), 2);
}

#[test]
fn an_added_line_that_did_not_run_is_named_with_its_reason() {
    let lines = Added::from([(FILE.to_string(), BTreeSet::from([15, 19, 20]))]);
    let reasons = r#"
version = 1
[[unreached]]
file = "drivers/s.c"
functions = ["main"]
lines = ["sum += never(twice(argc));"]
reason = "nobody passes five arguments"
"#;
    let of = |uncovered: &str| {
        let found = unreached(&recorded(), &sources(), &UncoveredList::parse(uncovered).unwrap(), &lines);
        found.into_iter().filter(|line| line.added).collect::<Vec<_>>()
    };
    let bare = of("version = 1");
    assert_eq!(bare.len(), 1);
    assert_eq!((bare[0].line, bare[0].text.as_str(), &bare[0].reason), (20, "sum += never(twice(argc));", &None));
    assert_eq!(of(reasons)[0].reason, None, "the entry is about old lines, not about added ones");
    assert_eq!(of(&format!("{reasons}added = true\n"))[0].reason.as_deref(), Some("nobody passes five arguments"));
    // Line 15 has no code, so only two lines count.
    assert_eq!(rows(&recorded(), &sources(), &lines)[FILE].added, Share { hit: 1, of: 2 });
}

#[test]
fn a_reason_is_stale_when_what_it_excuses_is_reached() {
    let entry = |function: &str, lines: &str, reference: bool| {
        let text = format!(
            "version = 1\n[[unreached]]\nfile = \"{FILE}\"\nfunctions = [\"{function}\"]\nlines = [{lines}]\nreason = \"x\"\n"
        );
        let (uncovered, source) = (UncoveredList::parse(&text).unwrap(), Source::new(SOURCE));
        uncovered.stale(&recorded(), |_| Some(&source), reference).len()
    };
    for reference in [false, true] {
        assert_eq!(entry("never", "", reference), 0);
        assert_eq!(entry("main", "", reference), 1, "some of it ran");
        assert_eq!(entry("main", "'sum += never(twice(argc));'", reference), 0);
        assert_eq!(entry("main", "'sum += twice(i);'", reference), 1, "the line ran");
        // On another kernel, missing lines and functions do not matter.
        let stale = usize::from(reference);
        assert_eq!(entry("main", "'no such line'", reference), stale);
        assert_eq!(entry("of_another_kernel", "", reference), stale);
    }
}

#[test]
fn an_entry_needs_a_reason() {
    let entry = |reason: &str| format!("[[unreached]]\nfile = \"a\"\nfunctions = [\"f\"]\nreason = \"{reason}\"\n");
    assert!(UncoveredList::parse(&format!("version = 1\n{}", entry("x"))).is_ok());
    assert!(UncoveredList::parse(&format!("version = 1\n{}", entry(" "))).is_err());
    assert!(UncoveredList::parse(&format!("version = 1\n{0}{0}", entry("x"))).is_err());
    assert!(UncoveredList::parse("version = 7\n").is_err());
    UncoveredList::built_in().unwrap();
}

#[test]
fn suites_are_shown_side_by_side() {
    let added = Added::from([(FILE.to_string(), BTreeSet::from([20]))]);
    let ours = rows(&recorded(), &sources(), &added);
    insta::assert_snapshot!(table(&[("cases", ours), ("kselftest", BTreeMap::new())]), @r"
                                           lines              branches           functions         added lines
    drivers/s.c  cases            7 of 9  77.8 %        5 of 6  83.3 %      2 of 3  66.7 %      0 of 1   0.0 %
                 kselftest                     -                     -                   -                   -
    all of them  cases            7 of 9  77.8 %        5 of 6  83.3 %      2 of 3  66.7 %      0 of 1   0.0 %
                 kselftest                     -                     -                   -                   -
    ");
}

#[test]
fn the_trace_has_the_format_of_lcov() {
    insta::assert_snapshot!(lcov::render(&recorded(), &sources(), |path| format!("tree/{path}")), @r"
    TN:
    SF:tree/drivers/s.c
    FN:1,twice
    FN:8,never
    FN:13,main
    FNDA:5,twice
    FNDA:0,never
    FNDA:6,main
    FNF:3
    FNH:2
    BRDA:3,0,0,1
    BRDA:3,0,1,4
    BRDA:17,0,0,5
    BRDA:17,0,1,1
    BRDA:19,0,0,0
    BRDA:19,0,1,1
    BRF:6
    BRH:5
    DA:3,5
    DA:4,1
    DA:10,0
    DA:13,1
    DA:17,6
    DA:18,5
    DA:19,1
    DA:20,0
    DA:21,1
    LF:9
    LH:7
    end_of_record
    ");
}

#[test]
fn the_page_escapes_its_contents() {
    let sources = Sources([(FILE.to_string(), SOURCE.replace("sum == 0", "sum <b> 0"))].into());
    let added = Added::from([(FILE.to_string(), BTreeSet::from([20]))]);
    let remarks = ["<i>".to_string()];
    let page = page::render("a & b", &recorded(), &sources, &added, &UncoveredList::default(), &remarks).unwrap();
    assert!(page.contains("sum &lt;b&gt; 0") && page.contains("&lt;i&gt;") && page.contains("a &amp; b"), "{page}");
    assert!(!page.contains("<b>") && page.contains(r#"<tr class="bad added">"#), "{page}");
}

fn channel(records: Vec<Record>) -> Vec<u8> {
    let line = |(seq, record)| serde_json::to_string(&Line { seq: seq as u64, record }).unwrap() + "\n";
    records.into_iter().enumerate().map(line).collect::<String>().into_bytes()
}

fn piece(file: &str, part: usize, of: usize, data: &str) -> Record {
    Record::Counts { file: file.into(), part, of, data: data.into() }
}

#[test]
fn incomplete_counters_are_an_error() {
    let counted = |files| Record::Counted { files, doubt: None };
    let whole = vec![piece("/o/a.gcda", 0, 2, "YWI="), piece("/o/a.gcda", 1, 2, "Yw=="), counted(1)];
    let of = |records: Vec<Record>| counters(&channel(records), &GuestEnd::Left);
    assert_eq!(of(whole.clone()).unwrap()["/o/a.gcda"], b"abc");
    for missing in 0..whole.len() {
        let mut records = whole.clone();
        records.remove(missing);
        assert!(of(records).is_err(), "without record {missing}");
    }
    assert!(of(vec![piece("/o/a.gcda", 0, 1, "not base64!"), counted(1)]).is_err());
    assert!(of(vec![piece("/o/a.gcda", 3, 1, "YQ=="), counted(1)]).is_err());
    assert!(
        of(vec![Record::Counted { files: 0, doubt: Some("unreadable".into()) }]).unwrap_err().contains("unreadable")
    );
    let stalled = GuestEnd::Stalled { phase: Phase::Between, silent_ms: 1 };
    assert!(counters(b"", &stalled).unwrap_err().contains("lost"));
    // A line that was cut is not a record.
    let mut torn = channel(whole);
    torn.truncate(torn.len() / 2);
    assert!(counters(&torn, &GuestEnd::QemuDied { status: "x".into(), stderr: String::new() }).is_err());
}

#[test]
fn counters_of_a_real_program_are_read_with_gcov() {
    let dir = tempfile::tempdir().unwrap();
    let gcc = |args: &[&str]| {
        Cmd::new("gcc").dir(dir.path()).args(args).succeed(harness::error::ErrorKind::Host, "gcc").unwrap()
    };
    std::fs::create_dir_all(dir.path().join("drivers")).unwrap();
    std::fs::write(dir.path().join(FILE), SOURCE).unwrap();
    gcc(&["-O2", "--coverage", "-c", FILE, "-o", "drivers/s.o"]);
    gcc(&["--coverage", "drivers/s.o", "-o", "s"]);
    let nothing = gcov::read(dir.path(), &Counters::new(), &wanted()).unwrap();
    assert_eq!(nothing.files[FILE].line_share().hit, 0);
    assert!(Cmd::new(dir.path().join("s").display().to_string()).run().unwrap().status.success());
    let bytes = std::fs::read(dir.path().join("drivers/s.gcda")).unwrap();
    let counters = Counters::from([("/build/objects/drivers/s.gcda".to_string(), bytes)]);
    let read = gcov::read(dir.path(), &counters, &wanted()).unwrap();
    assert_eq!(read.files[FILE].count(18), Some(5));
    assert_eq!(read.files[FILE].count(20), Some(0));
    assert_eq!(read.files[FILE].line_share().of, nothing.files[FILE].line_share().of);
    // Notes of another build.
    std::fs::write(dir.path().join(FILE), SOURCE.replace("i < 5", "i < 5 && argc")).unwrap();
    gcc(&["-O2", "--coverage", "-c", FILE, "-o", "drivers/s.o"]);
    assert!(gcov::read(dir.path(), &counters, &wanted()).is_err());
    assert!(gcov::read(Path::new("/nowhere"), &counters, &wanted()).unwrap().files.is_empty());
}
