//! `--bisect`: every result of a step, and a whole `git bisect run`, on a kernel tree of a few lines. The guest is simulated: the
//! kernel image selects its output.

mod common;

use std::fs;
use std::process::Command;

use cases::protocol::{CaseKey, Outcome, Record, VERSION};
use common::bench::Bench;
use common::fake_qemu::{fake_qemu, sent};
use common::{Ran, root, run};
use nix::sys::signal::Signal;

const CASE: &str = "rights/reopen@udmabuf";
const SOURCE: &str = "drivers/dma-buf/dma-buf.c";

/// Describes the fake kernel.
const QEMU: &str = r#"cat "$BENCH/$(grep -ao 'said-[a-z]*' "$kernel" | head -n 1)""#;

fn bench() -> Bench {
    let bench = Bench::new();
    let qemu = bench.path("bin/qemu-system-x86_64");
    fs::remove_file(&qemu).unwrap();
    fake_qemu(&qemu, QEMU);
    let violation =
        Record::Check { sentence: "it is gone".into(), holds: false, detail: "it is there".into(), clause: None };
    let end = |outcome| [Record::End { case: CaseKey(CASE.into()), outcome, ms: 1 }, Record::Count { ended: 1 }];
    let good = [reviewed(), end(Outcome::Pass).into()].concat();
    let bad = [vec![violation], end(Outcome::Fail).into()].concat();
    let broken = end(Outcome::Broken { why: "no memory".into() }).into();
    let skipped = end(Outcome::Skip { need: "fault-injection".into(), why: "it is not there".into() }).into();
    let said = [("good", good), ("bad", bad), ("broken", broken), ("skipped", skipped), ("lost", Vec::new())];
    for (word, records) in said {
        bench.write(&format!("said-{word}"), &channel(records));
    }
    bench.write("said-nothing", "");
    bench
}

/// The records of a guest that give exactly the reviewed transcript of the case.
fn reviewed() -> Vec<Record> {
    let text = fs::read_to_string(root().join("cases/snapshots/rights__reopen@udmabuf.snap")).unwrap();
    let record = |line: &str| match line.split_at_checked(7)? {
        ("call   ", rest) => {
            let (call, result) = rest.rsplit_once(" = ")?;
            Some(vec![Record::Call { text: call.trim_end().into() }, Record::Return { text: result.into() }])
        }
        ("check  ", rest) => {
            let sentence = rest.strip_suffix("ok")?.trim_end().into();
            Some(vec![Record::Check { sentence, holds: true, detail: String::new(), clause: None }])
        }
        _ => None,
    };
    text.lines().filter_map(record).flatten().collect()
}

fn channel(case: Vec<Record>) -> String {
    let key = CaseKey(CASE.into());
    let opening = [
        Record::Hello { protocol: VERSION, kernel: "7.2.0".into(), uptime_ms: 1 },
        Record::Plan { cases: vec![key.clone()] },
        Record::Begin { case: key, limit_ms: 100_000 },
    ];
    sent(opening.into_iter().chain(case))
}

/// The tree's only source, with a number that makes each commit different, and the word that selects the guest's output.
fn source(number: usize, word: &str) -> String {
    let broken = if word == "typo" { "int typo = undeclared;\n" } else { "" };
    format!(
        "/* {number} */\nint number = 0;\nstatic const char said[] __attribute__((used)) = \"said-{word}\";\n{broken}"
    )
}

const STEP: &[&str] = &["test", "--bisect", "--no-install", "--accel", "tcg", "--exact", CASE, "--kernel-tree"];

fn step(bench: &Bench, word: &str, more: &[&str]) -> Ran {
    bench.write(&format!("linux/{SOURCE}"), &source(0, word));
    // As git calls it: from inside the tree.
    run(bench.command(&[STEP, &["."], more].concat()).current_dir(bench.path("linux")))
}

#[test]
fn every_result_of_a_step_has_its_code_and_one_line() {
    let bench = bench();
    for (word, code, says) in [
        ("good", 0, "bisect: good (0): 1 case as expected"),
        ("bad", 1, "bisect: bad (1): FAIL R-7 rights/reopen@udmabuf: it is gone: it is there; recordings: /"),
        ("lost", 1, "bisect: bad (1): LOST R-7 rights/reopen@udmabuf: "),
        (
            "nothing",
            125,
            "bisect: skip (125): LOST R-7 rights/reopen@udmabuf: the guest restarted before its first byte",
        ),
        ("broken", 125, "bisect: skip (125): BROKEN R-7 rights/reopen@udmabuf: no memory; "),
        ("skipped", 125, "bisect: skip (125): "),
        ("typo", 125, "bisect: skip (125): build: drivers/dma-buf/dma-buf.c does not compile"),
    ] {
        let ran = step(&bench, word, &[]);
        assert_eq!(ran.code, code, "{word}: {}{}", ran.stdout, ran.stderr);
        assert!(ran.stdout.starts_with(says), "{word}: {}", ran.stdout);
        assert_eq!((ran.stdout.lines().count(), ran.stderr.as_str()), (1, ""), "{word}: {}", ran.stdout);
    }
}

#[test]
fn errors_that_are_the_same_for_every_commit_end_the_bisection() {
    let bench = bench();
    for (args, says) in [
        (&["no_such_case"][..], "bisect: stop (200): usage: no case matches no_such_case"),
        (&["--flavour", "sanitised"], "bisect: stop (200): usage: there is no flavour sanitised"),
        (&["--no-such-flag"], ""),
        (&["--format", "json"], ""),
    ] {
        let ran = step(&bench, "good", args);
        assert_eq!(ran.code, 200, "{args:?}: {}{}", ran.stdout, ran.stderr);
        assert!(ran.stdout.starts_with(says), "{args:?}: {}", ran.stdout);
    }
    let elsewhere = run(&mut bench.command(&[STEP, &["linuks"]].concat()));
    assert_eq!(elsewhere.code, 200, "{}", elsewhere.stdout);
    assert!(elsewhere.stdout.contains("there is no directory linuks"), "{}", elsewhere.stdout);
    // A case about another kernel is not run here, but may be run at the next commit.
    let other = step(&bench, "good", &["--skip", "rights", "B-1"]);
    assert_eq!(
        (other.code, other.stdout.contains("none of the chosen cases applies to this kernel")),
        (125, true),
        "{}",
        other.stdout
    );
    fs::remove_file(bench.path("bin/cargo")).unwrap();
    std::os::unix::fs::symlink("/bin/false", bench.path("bin/cargo")).unwrap();
    let guest = step(&bench, "good", &[]);
    assert_eq!(guest.code, 200, "{}", guest.stdout);
    assert!(guest.stdout.contains("the guest program does not compile"), "{}", guest.stdout);
}

#[test]
fn ctrl_c_ends_the_bisection() {
    let bench = bench();
    bench.write(&format!("linux/{SOURCE}"), &source(0, "good"));
    let mut command = bench.command(&[STEP, &["."]].concat());
    let mut started = bench.start(command.current_dir(bench.path("linux")).env("GATE", "gcc -c*"));
    started.comes_to("gcc", || bench.path("reached").exists());
    started.signal(Signal::SIGINT);
    assert_eq!(started.code(), Some(130), "{}", bench.read("stdout"));
    bench.nothing_runs();
}

#[test]
fn git_bisect_run_finds_the_planted_commit() {
    let bench = bench();
    let git = |args: &[&str]| {
        let mut command = bench.command(&[]);
        let mut git = Command::new("git");
        git.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        git.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_SYSTEM", "/dev/null");
        git.args(["-c", "user.name=nobody", "-c", "user.email=nobody@test"]).args(args);
        command = git;
        let ran = run(command.current_dir(bench.path("linux")));
        assert_eq!(ran.code, 0, "git {args:?}: {}{}", ran.stdout, ran.stderr);
        ran.stdout
    };
    git(&["init", "--quiet"]);
    // The middle, where git looks first, does not compile.
    for (number, word) in ["good", "good", "good", "good", "typo", "good", "bad", "bad", "bad"].iter().enumerate() {
        bench.write(&format!("linux/{SOURCE}"), &source(number, word));
        git(&["add", "--all"]);
        git(&["commit", "--quiet", "--message", &format!("commit {number}: {word}")]);
    }
    git(&["bisect", "start", "HEAD", "HEAD~8"]);
    let binary = env!("CARGO_BIN_EXE_xtask");
    let log = git(&[&["bisect", "run", binary], STEP, &["."]].concat());
    assert!(log.contains("commit 6: bad\n") && log.contains("is the first bad commit"), "{log}");
    let steps: Vec<&str> = log.lines().filter(|line| line.starts_with("bisect: ")).collect();
    assert!(steps.iter().any(|line| line.starts_with("bisect: skip (125): build: ")), "{log}");
    assert!(steps.iter().all(|line| !line.contains("stop")), "{log}");
    // The tree is unchanged.
    assert_eq!(git(&["status", "--porcelain"]), "");
}
