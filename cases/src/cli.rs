//! `cases` in a shell: a person or a script runs cases on the running kernel and reads the transcripts.
//!
//! Cases run as in a whole run, each in its own process that is killed at its limit, with a check of the
//! resource counts and the kernel log after it. There is no host: nothing compares with snapshots, and a kernel that
//! crashes ends the shell.

use std::collections::BTreeSet;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};

use crate::case::{Case, Judgement};
use crate::channel::Channel;
use crate::clause;
use crate::exporter::Exporter;
use crate::filter::fits;
use crate::protocol::{CaseKey, Outcome};
use crate::runner::{Planned, Runner};
use crate::style::Style;
use crate::suite;
use crate::terminal::detect;
use crate::uapi::process;

/// Exit statuses, with the same meaning as those of `cargo xtask test`.
const AS_EXPECTED: i32 = 0;
const INTERNAL: i32 = 1;
const USAGE: i32 = 2;
const VIOLATED: i32 = 10;
const BROKEN: i32 = 12;
const STUCK: i32 = 20;
const INTERRUPTED: i32 = 130;

const HELP: &str = "\
cases list [FILTER...]    list the cases
cases run FILTER...       run the cases that match: a clause such as R-2, or part of a name; `cases run all` runs all
cases explain NAME        print what a clause requires, or what a case claims

Exit status of run: 0 all checks held, 10 a check failed or the kernel complained, 12 a case is broken or nothing was
judged, 20 a process is stuck in the kernel, 130 interrupted. Snapshots, known limits and known defects are compared only
by `cargo xtask test`, on the host.";

/// Runs the command in the arguments and returns the exit status.
pub fn main(arguments: Vec<String>) -> i32 {
    let (command, rest) = match arguments.split_first() {
        Some((command, rest)) => (command.as_str(), rest),
        None => ("help", [].as_slice()),
    };
    let done = match command {
        "run" => run(rest),
        "list" => list(rest),
        "explain" => explain(rest),
        "help" | "--help" | "-h" => {
            println!("{HELP}");
            Ok(AS_EXPECTED)
        }
        _ => Err(CliError(USAGE, format!("unknown command {command}\n\n{HELP}"))),
    };
    done.unwrap_or_else(|CliError(status, why)| {
        eprintln!("cases: {why}");
        status
    })
}

/// An exit status and the reason.
struct CliError(i32, String);

/// The keys that match any filter. A filter without a match is an error.
fn select(filters: &[String]) -> Result<Vec<CaseKey>, CliError> {
    if let Some(filter) = filters.iter().find(|filter| !suite::keys().any(|key| fits(&key, filter, false))) {
        return Err(CliError(USAGE, format!("no case matches {filter}; `cases list` shows all cases")));
    }
    let chosen = |key: &CaseKey| filters.is_empty() || filters.iter().any(|filter| fits(key, filter, false));
    Ok(suite::keys().filter(chosen).collect())
}

fn run(filters: &[String]) -> Result<i32, CliError> {
    let chosen = match filters {
        [] => {
            return Err(CliError(
                USAGE,
                "no filter given. For example `cases run R-2`; `cases run all` runs all cases".into(),
            ));
        }
        [all] if all == "all" => suite::keys().collect(),
        filters => select(filters)?,
    };
    let planned: Vec<Planned> =
        chosen.into_iter().filter_map(|key| suite::find(&key).map(|(case, on)| (key, case, on))).collect();
    if !nix::unistd::geteuid().is_root() {
        return Err(CliError(USAGE, "cases must run as root".into()));
    }
    // Two runs at a time would disturb each other's resource counts. The socket name is free again when the process
    // ends.
    let _alone = SocketAddr::from_abstract_name("dmabuf-conformance-cases")
        .and_then(|name| UnixListener::bind_addr(&name))
        .map_err(|error| CliError(USAGE, format!("cases are already running: {error}")))?;
    let style = detect();
    let internal = |errno: nix::errno::Errno| CliError(INTERNAL, errno.to_string());
    let channel = Channel::terminal(style).map_err(internal)?;
    let mut runner = Runner::visiting(&channel).map_err(internal)?;
    let ended = runner.run(&planned);
    let result = Tally::of(&runner, planned.len() - ended);
    println!("\n{}", result.text(style));
    Ok(result.status())
}

/// The result of a run.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    passed: usize,
    /// Failed, died, hung, or left something behind.
    violated: usize,
    broken: usize,
    skipped: usize,
    not_run: usize,
    leaks: usize,
    complained: bool,
    stuck: bool,
    interrupted: bool,
}

impl Tally {
    fn of(runner: &Runner<'_>, not_run: usize) -> Self {
        let count = |fits: fn(&Outcome) -> bool| runner.outcomes().iter().filter(|outcome| fits(outcome)).count();
        Tally {
            passed: count(|outcome| *outcome == Outcome::Pass),
            violated: count(|outcome| {
                matches!(outcome, Outcome::Fail | Outcome::Killed { .. } | Outcome::TimedOut | Outcome::Leaked { .. })
            }),
            broken: count(|outcome| matches!(outcome, Outcome::Broken { .. })),
            skipped: count(|outcome| matches!(outcome, Outcome::Skip { .. })),
            not_run,
            leaks: runner.leaks(),
            complained: runner.complaint().is_some(),
            stuck: runner.is_stuck(),
            interrupted: process::interrupted(),
        }
    }

    fn status(&self) -> i32 {
        match self {
            Tally { interrupted: true, .. } => INTERRUPTED,
            Tally { stuck: true, .. } => STUCK,
            Tally { complained: true, .. } => VIOLATED,
            Tally { violated, leaks, .. } if violated + leaks > 0 => VIOLATED,
            Tally { broken, not_run, passed, .. } if *broken + *not_run > 0 || *passed == 0 => BROKEN,
            _ => AS_EXPECTED,
        }
    }

    fn text(&self, style: Style) -> String {
        let counts = [
            (self.passed, "passed"),
            (self.violated, "failed"),
            (self.broken, "broken"),
            (self.skipped, "skipped"),
            (self.not_run, "not run"),
        ];
        let told = counts.iter().filter(|(count, word)| *count > 0 || matches!(*word, "passed" | "failed"));
        let told: Vec<String> = told.map(|(count, word)| format!("{count} {word}")).collect();
        let line = format!("cases: {} (exit status {})", told.join(", "), self.status());
        let line = if self.status() == AS_EXPECTED { style.good(&line) } else { style.bad(&line) };
        let mut lines = vec![line];
        if self.complained || self.stuck {
            lines.push(
                "The kernel complained, or a process is stuck in it: see `dmesg`. Reboot before running more cases."
                    .into(),
            );
        }
        if self.leaks > 0 {
            lines.push("Memory leaked: see above.".into());
        }
        if self.passed + self.violated + self.broken == 0 {
            lines.push("Nothing was judged.".into());
        }
        lines.push("Not compared here: snapshots, known limits and known defects.".into());
        lines.join("\n")
    }
}

fn list(filters: &[String]) -> Result<i32, CliError> {
    let keys = select(filters)?;
    for case in suite::CASES {
        for name in case.variants.iter().map(|variant| case.name(variant)) {
            let on: Vec<&str> = keys.iter().filter(|key| key.name() == name).map(CaseKey::exporter).collect();
            if !on.is_empty() {
                println!("{:<7} {name:<38} {:<9} {}", case.clause, case.judgement.name(), on.join(" "));
            }
        }
    }
    let clauses: BTreeSet<&str> =
        keys.iter().filter_map(|key| suite::by_id(key.id())).map(|case| case.clause).collect();
    println!("{} case/exporter pairs, {} clauses", keys.len(), clauses.len());
    Ok(AS_EXPECTED)
}

fn explain(names: &[String]) -> Result<i32, CliError> {
    let [name] = names else { return Err(CliError(USAGE, "explain takes one clause or one case".into())) };
    let clause = clause::find(name);
    if let Some(clause) = clause {
        println!("{}  {}\n      Why: {}\n", clause.id, clause.claim, clause.why);
    }
    let key = CaseKey(name.clone());
    let told = |case: &&Case| clause.map_or_else(|| case.id().contains(key.id()), |clause| case.clause == clause.id);
    let cases: Vec<&Case> = suite::CASES.iter().filter(told).collect();
    if clause.is_none() && cases.is_empty() {
        return Err(CliError(USAGE, format!("{name} is neither a case nor a clause; `cases list` shows both")));
    }
    for case in cases {
        println!("{}  {} ({})", case.clause, case.id(), case.judgement.name());
        println!("      {}", case.claim_text());
        for variant in case.variants {
            let exporters: Vec<&str> = case.exporters_of(variant).iter().copied().map(Exporter::name).collect();
            println!("      {}, {}, on {}", case.name(variant), variant.about, exporters.join(", "));
        }
        if let Judgement::Hazard(reason) = case.judgement {
            println!("      Expected: {reason}");
        }
    }
    Ok(AS_EXPECTED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_result_decides_the_status() {
        let tally = || Tally { passed: 1, ..Tally::default() };
        for (tally, status) in [
            (tally(), 0),
            (Tally { skipped: 2, ..tally() }, 0),
            (Tally { violated: 1, broken: 1, ..tally() }, 10),
            (Tally { leaks: 1, ..tally() }, 10),
            (Tally { complained: true, not_run: 3, ..tally() }, 10),
            (Tally { broken: 1, ..tally() }, 12),
            (Tally { not_run: 1, ..tally() }, 12),
            (Tally { skipped: 1, ..Tally::default() }, 12),
            (Tally { stuck: true, complained: true, ..tally() }, 20),
            (Tally { interrupted: true, violated: 1, ..tally() }, 130),
        ] {
            assert_eq!(tally.status(), status, "{tally:?}");
        }
    }

    #[test]
    fn a_filter_without_a_match_is_an_error_with_a_hint() {
        let Err(CliError(status, why)) = select(&["R-1".into(), "R-99".into()]) else { panic!("R-99 is not a clause") };
        assert!(status == USAGE && why.contains("R-99") && why.contains("cases list"), "{why}");
        assert!(select(&["r-2".into()]).is_ok_and(|keys| keys.iter().all(|key| key.id().starts_with("rights/"))));
    }
}
