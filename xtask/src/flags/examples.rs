//! Examples for the help of small commands. A test reads every command line among them as the program would.

pub const BUILD: &str = "Examples:
  cargo xtask build                              the default kernel with the reference series; prints where it is
  cargo xtask build --kernel 6.12 --series none  another one as it is
  cargo xtask build --kernel-tree ~/linux --flavour leak
                                                 your own tree, with kmemleak";

pub const LIST: &str = "Examples:
  cargo xtask list                every case, by area, with its clause
  cargo xtask list R-1 L-3        those that judge these clauses
  cargo xtask list --keys hazard  one name a line, as `test --exact` takes it";

pub const EXPLAIN: &str = "Examples:
  cargo xtask explain R-1                  what the clause says, why, by which cases, and how they last came out
  cargo xtask explain rights/derive_table  what the case does";

pub const DOCTOR: &str = "Examples:
  cargo xtask doctor          tools, KVM, memory, cache, disk, configuration; exit code 23 if something is missing
  cargo xtask doctor --probe  try KVM again, after something about it was changed";

pub const KSELFTEST: &str = "Examples:
  cargo xtask kselftest                 those of the default kernel
  cargo xtask kselftest --series none   without the series
  cargo xtask coverage --compare        what they reach, and what the cases reach";

pub const CI: &str = "Examples:
  cargo xtask ci --no-kernel   without kernels: format, lints, tests, rules; before every commit
  cargo xtask ci               with kernels; half an hour the first time, some minutes later on
  cargo xtask ci --full        every kernel, every ending of a guest, every test; before a release

It reads no configuration, so that it says the same to everybody.";

pub const LINT: &str = "Examples:
  cargo xtask lint-workflows                    those of this repository
  cargo xtask lint-workflows ~/linux/.github/workflows";

pub const MAN: &str = "Examples:
  cargo xtask man ~/.local/share/man/man1   then `man cargo-xtask-test`";

pub const BENCH: &str = "Examples:
  cargo xtask bench boot            how much longer is a whole run than booting and leaving?
  cargo xtask bench boot --runs 20  more pairs, for a machine that does other things as well";

#[cfg(test)]
mod tests {
    use clap::{Command, CommandFactory};

    use super::super::Flags;

    /// Commands that a person calls, each with the text of its help.
    fn helped(command: &Command) -> Vec<(String, String)> {
        let own = (command.get_name().to_string(), command.clone().term_width(110).render_long_help().to_string());
        let below = command.get_subcommands().filter(|command| !command.is_hide_set() && command.get_name() != "help");
        let below: Vec<_> = below.flat_map(helped).collect();
        if below.is_empty() { vec![own] } else { below }
    }

    /// The words of a command line, as a shell would part them, up to what is said about it.
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

    #[test]
    fn every_command_has_examples_that_it_understands() {
        let mut command = Flags::command();
        command.build();
        let mut count = 0;
        for (name, help) in helped(&command) {
            let lines = help.lines().filter_map(|line| line.strip_prefix("  cargo xtask "));
            for line in lines.filter(|line| !line.starts_with("[OPTIONS]")) {
                let words = [vec!["cargo xtask".to_string()], words(line)].concat();
                let read = Flags::command().try_get_matches_from(&words);
                assert!(read.is_ok(), "{name}: {words:?}: {}", read.unwrap_err());
                count += 1;
            }
            assert!(help.contains("Examples:") || help.contains("  alias xtask="), "{name} has no examples");
            let wide = help.lines().find(|line| line.chars().count() > 110);
            assert_eq!(wide, None, "{name}: too wide");
        }
        assert!(count > 50, "{count} examples were found");
    }
}
