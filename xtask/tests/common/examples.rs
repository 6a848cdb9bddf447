//! Runs the commands of a page and compares their output with the page. In a `console` block, `$ ` starts a command, `> ` continues
//! it, and the other lines are its standard output. A block of `sh setup`, or a comment `<!-- setup ... -->`, is run without
//! showing its output.
//!
//! One shell runs all commands of a page, in the checkout, with a separate home directory. Times, versions and directories are
//! normalised before comparing. `UPDATE=1` writes the real output into the page.

use std::fs;
use std::path::Path;
use std::process::Command;

use regex::Regex;

use crate::common::root;

/// Separates the output of commands; it occurs in no text.
const MARK: char = '\u{1e}';
/// First and last lines of commands whose output is not shown: for readers, and for the test only.
const SETUPS: [(&str, &str); 2] = [("```sh setup\n", "```\n"), ("<!-- setup\n", "-->\n")];
const CONSOLE: &str = "```console\n";

/// A piece of a page.
#[derive(Debug, PartialEq)]
enum Piece {
    /// Text, kept as it is.
    Text(String),
    /// Commands whose output is not shown, between the two lines of one of [`SETUPS`].
    Setup(usize, String),
    /// A command as shown, and its output.
    Step(String, String),
}

/// Runs a page, and fails with the difference if its output is wrong.
pub fn check(page: &str) {
    let path = root().join(page);
    let text = fs::read_to_string(&path).expect("the page is there");
    let pieces = parse(&text);
    let home = tempfile::tempdir().expect("a temporary directory");
    let printed = run(&pieces, home.path());
    let mut wrong = Vec::new();
    let mut fresh = String::new();
    let mut printed = printed.into_iter();
    for piece in pieces {
        fresh += &match piece {
            Piece::Text(text) => text,
            Piece::Setup(kind, script) => [SETUPS[kind].0, &script, SETUPS[kind].1].concat(),
            Piece::Step(command, shown) => {
                let real = printed.next().expect("every command was run");
                let same = normal(&real) == normal(&shown);
                if !same {
                    wrong.push(format!("$ {command}\n{}", difference(&normal(&shown), &normal(&real))));
                }
                format!("$ {command}{}", if same { shown } else { real })
            }
        };
    }
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, fresh).expect("the page can be written");
        return;
    }
    assert!(wrong.is_empty(), "{page} shows other output; UPDATE=1 writes the real output:\n{}", wrong.join("\n"));
}

fn parse(text: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut rest = text;
    loop {
        let starts = [SETUPS[0].0, SETUPS[1].0, CONSOLE];
        let next =
            starts.into_iter().enumerate().filter_map(|(kind, start)| Some((rest.find(start)?, kind, start))).min();
        let Some((at, kind, start)) = next else { break };
        if let Some((_, end)) = SETUPS.get(kind) {
            pieces.push(Piece::Text(rest[..at].into()));
            let (script, after) = rest[at + start.len()..].split_once(end).expect("a block ends");
            pieces.push(Piece::Setup(kind, script.into()));
            rest = after;
            continue;
        }
        pieces.push(Piece::Text(rest[..at + start.len()].into()));
        let (block, _) = rest[at + start.len()..].split_once("```\n").expect("a block ends");
        rest = &rest[at + start.len() + block.len()..];
        for step in block.strip_prefix("$ ").expect("a block begins with a command").split("\n$ ") {
            let lines = step.trim_end_matches('\n').split('\n');
            let more = |(index, line): &(usize, &str)| *index == 0 || line.starts_with("> ");
            let count = lines.clone().enumerate().take_while(more).count();
            let command: String = lines.clone().take(count).map(|line| format!("{line}\n")).collect();
            let shown: String = lines.skip(count).map(|line| format!("{line}\n")).collect();
            pieces.push(Piece::Step(command, shown));
        }
    }
    pieces.push(Piece::Text(rest.into()));
    pieces
}

/// The output of each command, with directories replaced.
fn run(pieces: &[Piece], home: &Path) -> Vec<String> {
    let bin = home.join(".bin");
    fs::create_dir(&bin).expect("a directory");
    // `cargo xtask` without cargo's check whether it is up to date.
    let xtask = env!("CARGO_BIN_EXE_xtask");
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let shim = format!("#!/bin/sh\nif [ \"$1\" = xtask ]; then shift; exec {xtask} \"$@\"; fi\nexec {cargo} \"$@\"\n");
    fs::write(bin.join("cargo"), shim).expect("a file");
    let mut script = "set -f; chmod +x ~/.bin/cargo; set +f\n".to_string();
    for piece in pieces {
        script += &match piece {
            Piece::Text(_) => continue,
            Piece::Setup(_, commands) => format!("{{ {commands}\n}} > /dev/null || exit 99\n"),
            // Keep the exit code for this test and for the next command.
            Piece::Step(command, _) => {
                format!("{}end=$?; printf '{MARK}%s{MARK}' $end; (exit $end)\n", of_shell(command))
            }
        };
    }
    let var = |name: &str, default: &str| {
        std::env::var(name).unwrap_or_else(|_| format!("{}/{default}", std::env::var("HOME").unwrap_or_default()))
    };
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap_or_default());
    let mut bash = Command::new("bash");
    // The width of a terminal would change how help is wrapped.
    bash.stdin(std::process::Stdio::null()).env_remove("COLUMNS");
    bash.args(["-c", &script]).current_dir(root()).env("HOME", home).env("PATH", path).env("NO_COLOR", "1");
    bash.env("XDG_CACHE_HOME", var("XDG_CACHE_HOME", ".cache")).env("CONFORMANCE_CONFIG", "none");
    bash.env("CARGO_HOME", var("CARGO_HOME", ".cargo")).env("RUSTUP_HOME", var("RUSTUP_HOME", ".rustup"));
    let output = bash.output().expect("bash runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_ne!(output.status.code(), Some(99), "the page cannot be set up: {errors}");
    let text = String::from_utf8(output.stdout).expect("commands print text");
    let text = text.replace(&home.display().to_string(), "~").replace(&target(), "target");
    let text = text.replace(&root().display().to_string(), ".");
    let commands =
        pieces.iter().filter_map(|piece| if let Piece::Step(command, _) = piece { Some(command) } else { None });
    let parts: Vec<&str> = text.split(MARK).collect();
    let ended = commands.zip(parts.chunks(2)).map(|(command, part)| {
        // A command may fail only if its errors are shown.
        let fine = part.get(1) == Some(&"0") || command.contains("2>&1");
        assert!(fine, "{command} ended with {:?}: {errors}", part.get(1));
        part[0].trim_end_matches('\n').to_string() + if part[0].is_empty() { "" } else { "\n" }
    });
    ended.collect()
}

/// A command without `> `, and with the target directory of these tests.
fn of_shell(command: &str) -> String {
    command.replace("\n> ", "\n").replace("target/conformance", &format!("{}/conformance", target()))
}

fn target() -> String {
    std::env::var("CARGO_TARGET_DIR").unwrap_or_else(|_| root().join("target").display().to_string())
}

/// The text without what differs between days or machines.
fn normal(text: &str) -> String {
    let lines = text.lines().filter(|line| !["source: ", "tcg: ", "kvm: "].iter().any(|start| line.starts_with(start)));
    let mut text: String = lines.map(|line| line.trim_end().to_string() + "\n").collect();
    for (pattern, replacement) in [
        (r"\b\d+ min \d+ s\b", "T"),
        (r"\b\d+\.\d+ s\b", "T"),
        (r"\b\d+ ms\b", "T"),
        (r#"time="[0-9.]+""#, "time=T"),
        (r"\b(\d+\.\d+)\.\d+\b", "$1.x"),
        (r", (tcg|kvm)$", ", accel"),
        (r"\bimage [0-9a-f]{12}\b", "image X"),
        (r"\brun-\d+\b", "run-N"),
        (r#""key":"[0-9a-f]{16}""#, "\"key\":\"H\""),
        (r"\b[0-9a-f]{32,40}\b", "H"),
    ] {
        text = Regex::new(&format!("(?m){pattern}")).expect("a pattern").replace_all(&text, replacement).into_owned();
    }
    text
}

fn difference(shown: &str, real: &str) -> String {
    let changes = |from: &str, to: &str, sign: &str| -> String {
        from.lines()
            .filter(|line| !to.lines().any(|other| other == *line))
            .map(|line| format!("{sign}{line}\n"))
            .collect()
    };
    changes(shown, real, "- ") + &changes(real, shown, "+ ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_parsed_and_run() {
        let page = "a\n```sh setup\nx=1\n```\nb\n```console\n$ echo \\\n> $x\n1\n$ true\n```\nc\n";
        let pieces = parse(page);
        let step = |command: &str, shown: &str| Piece::Step(command.into(), shown.into());
        assert_eq!(pieces[3..6], [step("echo \\\n> $x\n", "1\n"), step("true\n", ""), Piece::Text("```\nc\n".into())]);
        let home = tempfile::tempdir().unwrap();
        assert_eq!(run(&pieces, home.path()), ["1\n", ""]);
    }

    #[test]
    fn times_and_versions_do_not_matter() {
        let one = "Linux 7.2.13 with series x, sanitized kernel, tcg\ntcg: no device\nkernel 0.2 s, run-7\n";
        let other = "Linux 7.2.14 with series x, sanitized kernel, kvm\nkernel 1 min 20 s, run-12\n";
        assert_eq!(normal(one), normal(other));
        assert_ne!(normal("5 ok"), normal("6 ok"));
    }
}
