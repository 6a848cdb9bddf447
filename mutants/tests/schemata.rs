//! Compiles and runs combined files: with mutant N selected, the program behaves like mutant N alone, with two selected like a
//! file with both mistakes, and with none like the original.

use std::fs;
use std::path::Path;
use std::process::Command;

use mutants::change::SourceChange;
use mutants::schemata::{self, weave};

/// A file in kernel style with difficult constructs.
const ORIGINAL: &str = r#"#include <stdio.h>
#include <errno.h>
#define __must_hold(x)

struct ops {
	int (*get)(int);
	int (*put)(int, int);
};

static int late(int value);
static int calls;

/*
 * A comment with a brace {
 */
#ifdef NEVER
static int twice(void)
{
	return 1;
}
#else
static int twice(void)
{
	return 2;
}
#endif

static inline int add(int a, int b)
{
	/* Not 'f}' */
	return a + b + 2 - twice();
}

static int fact(int n)
{
	if (n < 2)
		return 1;
	return n * fact(n - 1);
}

static void count(void)
	__must_hold(&lock)
{
	static int own;

	calls += ++own;
}

static int apply(int (*call)(int), int values[2], int n)
{
	int i, sum = 0;

	for (i = 0; i < n; i++)
		sum += call(values[i]);
	return sum;
}

static int get(int a) { return a * 2; }

static int put(int a, int b)
{
	return a - b;
}

static const struct ops the_ops = {
	.get = get,
	.put = put,
};

static const struct ops *of(int kind)
{
	return kind ? &the_ops : 0;
}

static int sum(const char *format, ...)
{
	return printf("%s: %d", format, __LINE__);
}

static int late(int value)
{
	int values[2] = { value, value + 1 };

	count();
	return apply(of(1)->get, values, 2) + (of(1)->put ? of(1)->put(value, 1) : -EINVAL);
}
"#;

const MAIN: &str = r#"
int main(void)
{
	int i;

	for (i = 0; i < 4; i++) {
		count();
		printf("%d %d %d %d %d ", add(i, 2), fact(i + 1), late(i), calls, &the_ops == of(1));
	}
	printf("%d\n", sum("x"));
	return 0;
}
"#;

/// The edits of each mutant: old and new text.
const MUTANTS: [&[(&str, &str)]; 10] = [
    &[
        ("static int calls;", "static int calls;\nstatic int get(int a);"),
        ("calls += ++own;", "calls += ++own + get(1);"),
    ],
    &[("return a + b", "return a - b")],
    &[("n < 2", "n < 3"), ("return a * 2", "return a * 3")],
    &[("calls += ++own;", "calls -= ++own;")],
    &[("\t.put = put,\n", "")],
    &[(
        "static int put(int a, int b)\n{\n\treturn a - b;",
        "static int helper(int a)\n{\n\treturn a * 10;\n}\n\nstatic int put(int a, int b)\n{\n\treturn helper(a) - b;",
    )],
    &[(
        "static int put(int a, int b)\n{\n\treturn a - b;",
        "static int helper(int a)\n{\n\treturn a * 100;\n}\n\nstatic int put(int a, int b)\n{\n\treturn helper(b) - a;",
    )],
    // Other parameters, at the definition and at the call.
    &[
        ("int apply(int (*call)(int), int values[2], int n)", "int apply(int (*call)(int), int values[2])"),
        ("i < n", "i < 1"),
        ("values, 2)", "values)"),
    ],
    &[("#include <errno.h>\n", "#include <errno.h>\n#include <stdlib.h>\n"), ("return a - b;", "return abs(a - b);")],
    &[
        ("static void count", "static int seen = 5;\n\nstatic void count"),
        ("calls += ++own;", "calls += ++own + seen++;"),
    ],
];

fn mutant(edits: &[(&str, &str)]) -> String {
    edits.iter().fold(ORIGINAL.to_string(), |text, (from, to)| {
        assert!(text.contains(from), "{from}");
        text.replacen(from, to, 1)
    })
}

/// The output of the program with these mutants selected; `None` for a file without mutants.
fn printed(dir: &Path, text: &str, numbers: Option<&[usize]>) -> String {
    let source = dir.join("a.c");
    let chooser = numbers.map(|numbers| {
        let set: Vec<String> = numbers.iter().map(|number| format!("[{number}] = 1")).collect();
        format!("char {}[99] = {{ {} }};\n", schemata::CHOSEN, set.join(", "))
    });
    let chooser = chooser.unwrap_or_default();
    fs::write(&source, format!("{text}\n{MAIN}\n{chooser}")).unwrap();
    let mut gcc = Command::new("gcc");
    gcc.args(["-O2", "-Wall", "-Wno-unused-function", "-o"]).arg(dir.join("a")).arg(&source);
    let output = gcc.output().expect("gcc runs");
    assert!(output.status.success(), "{}\n{text}", String::from_utf8_lossy(&output.stderr));
    let output = Command::new(dir.join("a")).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// All mutants in one file, numbered from 1.
fn woven() -> String {
    let change = |edits: &&[(&str, &str)]| SourceChange::between(ORIGINAL, &mutant(edits)).unwrap();
    let changes: Vec<(usize, SourceChange)> = (1..).zip(MUTANTS.iter().map(change)).collect();
    weave(ORIGINAL, &changes)
}

/// The output without the line that `sum` prints, which in the combined file is that of the original.
fn without_line(text: &str) -> String {
    text.rsplit_once("x: ").map(|(values, _)| values.to_string()).unwrap()
}

#[test]
fn every_mutant_behaves_as_if_it_were_alone() {
    let dir = tempfile::tempdir().unwrap();
    let woven = woven();
    let original = printed(dir.path(), ORIGINAL, None);
    assert_eq!(printed(dir.path(), &woven, Some(&[])), original, "{woven}");
    for (index, edits) in MUTANTS.iter().enumerate() {
        let alone = printed(dir.path(), &mutant(edits), None);
        let number = index + 1;
        let selected = printed(dir.path(), &woven, Some(&[number]));
        assert_eq!(without_line(&selected), without_line(&alone), "mutant {number}:\n{woven}");
        assert_ne!(without_line(&alone), without_line(&original), "mutant {number} behaves like the original");
    }
}

#[test]
fn two_mutants_behave_like_a_file_with_both_mistakes() {
    let dir = tempfile::tempdir().unwrap();
    let woven = woven();
    // Functions of two mutants, a function and a table, and a function with a helper of its own.
    for (one, other) in [(2, 3), (4, 5), (6, 10)] {
        let both = [MUTANTS[one - 1], MUTANTS[other - 1]].concat();
        let selected = printed(dir.path(), &woven, Some(&[one, other]));
        assert_eq!(without_line(&selected), without_line(&printed(dir.path(), &mutant(&both), None)), "{one}, {other}");
        for alone in [one, other] {
            let alone = printed(dir.path(), &woven, Some(&[alone]));
            assert_ne!(
                without_line(&selected),
                without_line(&alone),
                "{one} and {other} show no more than one of them"
            );
        }
    }
}

#[test]
fn a_file_without_mutants_behaves_like_the_original() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(printed(dir.path(), &weave(ORIGINAL, &[]), Some(&[])), printed(dir.path(), ORIGINAL, None));
}

#[test]
fn changes_that_need_their_own_kernel_are_refused() {
    let refused = |from: &str, to: &str| SourceChange::between(ORIGINAL, &mutant(&[(from, to)])).unwrap_err();
    assert!(refused("\tint (*get)(int);\n", "\tint (*get)(int);\n\tint more;\n").contains("struct ops"));
    assert!(refused("static int calls;", "static long calls;").contains("static int calls"));
    assert!(refused("return printf(", "return 1 + printf(").contains("sum"));
    assert!(refused("return 2;", "return 3;").contains("static int twice"));
    let constant = "static const struct ops the_ops = {\n\t.get = get,\n\t.put = put,\n};\n";
    let table = format!("{ORIGINAL}\nstatic const struct ops *table[] = {{ &the_ops }};\n");
    assert!(table.contains(constant));
    let without = table.replace("\t.put = put,\n", "");
    assert!(SourceChange::between(&table, &without).unwrap_err().contains("constant expression"));
}

#[test]
fn comments_and_blanks_between_functions_are_not_a_change() {
    let other = mutant(&[
        ("/*\n * A comment with a brace {\n */", "/* Another */\n\n"),
        ("static int calls;", "static int\tcalls;"),
    ]);
    assert!(SourceChange::between(ORIGINAL, &other).unwrap().is_empty());
}
