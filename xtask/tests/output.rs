//! --verbose, --quiet and --color.

mod common;

use common::bench::Bench;
use common::{command, run, xtask};

const ESCAPE: char = '\u{1b}';

fn build(bench: &Bench, options: &[&str]) -> common::Ran {
    let tarball = bench.tarball();
    let rest = ["build", "--no-install"].into_iter().chain(tarball.iter().map(String::as_str));
    let ran = bench.run(&options.iter().copied().chain(rest).collect::<Vec<_>>());
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(ran.stdout.lines().count(), 1, "standard output has more than the result");
    ran
}

#[test]
fn verbose_shows_commands_with_directory_and_time_and_cache_lookups() {
    let bench = Bench::new();
    let first = build(&bench, &["--verbose"]).stderr;
    for start in ["+ cd ", "= make: ", "cache: images/", "cache: sources/"] {
        assert!(first.lines().any(|line| line.starts_with(start)), "{start} begins no line of\n{first}");
    }
    let make = first.lines().find(|line| line.starts_with("+ cd ") && line.contains(" make -j")).unwrap_or_default();
    assert!(make.contains("/tree && ") && make.ends_with(" vmlinux"), "{first}");
    assert!(first.contains(" missing"), "{first}");
    let second = build(&bench, &["-v"]).stderr;
    assert!(second.contains(" found, matches its manifest") && !second.contains("make -j"), "{second}");
}

#[test]
fn quiet_prints_nothing_and_without_a_terminal_lines_are_plain() {
    let bench = Bench::new();
    assert_eq!(build(&bench, &["--quiet"]).stderr, "");
    let patch = bench.patch(7);
    let args = [&["build".to_string(), "--no-install".into(), "--with".into(), patch][..], &bench.tarball()].concat();
    let ran = bench.run(&args.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(ran.stderr.contains("building Linux 7.2.0 (sanitized) ...\n"), "{}", ran.stderr);
    assert!(!ran.stderr.contains(ESCAPE) && !ran.stderr.contains('\r'), "{:?}", ran.stderr);
    let both = xtask(bench.dir.path(), &["--quiet", "--verbose", "list"]);
    assert_eq!(both.code, 2, "{}", both.stderr);
}

#[test]
fn colours_follow_the_option_and_then_the_environment() {
    let coloured = |options: &[&str], set: &[(&str, &str)]| {
        let mut command = command(&[options, &["test", "--accel", "kvn"]].concat());
        for name in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE"] {
            command.env_remove(name);
        }
        run(command.envs(set.iter().copied())).stderr.contains(ESCAPE)
    };
    assert!(!coloured(&[], &[]), "this is not a terminal");
    assert!(coloured(&[], &[("CLICOLOR_FORCE", "1")]));
    assert!(!coloured(&[], &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]));
    assert!(coloured(&["--color", "always"], &[("NO_COLOR", "1")]));
    assert!(!coloured(&["--color=never"], &[("CLICOLOR_FORCE", "1")]));
}
