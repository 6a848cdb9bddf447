//! Runs the whole suite on mutants and looks at its findings: one mutant at a time, or several at once.

mod combinations;
mod combined;
mod singles;
mod suite_run;

use std::collections::BTreeMap;
use std::sync::Mutex;

use harness::error::Result;
use harness::kbuild::image::KernelImage;
use mutants::outcome::MutantOutcome;

use super::mutant::{Mutant, MutantInfo, MutantKernel};
use super::prepared::Prepared;
use super::report::Printed;
use super::results::{Results, RunMode};
use super::workers::{in_parallel, lock};
use crate::flags::MutantsArgs;
use crate::run::case_times;
use crate::run::pipeline::Tree;
use combinations::Combinations;
use combined::{CombinedReport, CombinedRun};
use singles::{SinglesReport, UnrunMutant};
use suite_run::{JudgedSuiteRun, SuiteRun, SuiteRunner, id};

/// The combinations that the arguments ask for; `None` if they ask for none.
///
/// # Errors
/// As [`Combinations::new`].
pub fn combinations(
    mutants: &[Mutant],
    chosen: &[String],
    tree: &Tree,
    args: &MutantsArgs,
) -> Result<Option<Combinations>> {
    let wanted = match (args.pairs, args.composites) {
        (Some(pairs), _) => (2, pairs, args.seed),
        (None, Some(size)) => (size, args.count, args.seed),
        (None, None) => return Ok(None),
    };
    Combinations::new(mutants, chosen, tree, wanted).map(Some)
}

/// Runs the suite on each of the chosen mutants. Returns `None` if verdicts without a mutant are not as expected.
///
/// # Errors
/// When mutants cannot be run. A wrong finding is not an error.
pub fn alone(
    mut prepared: Prepared<'_>,
    mutants: &[Mutant],
    chosen: &[String],
    args: &MutantsArgs,
) -> Result<Option<Printed>> {
    let results = prepared.results(RunMode::Findings)?;
    if prepared.baseline(&results, args.anew)?.is_none() {
        return Ok(None);
    }
    let wanted: Vec<&Mutant> = mutants.iter().filter(|mutant| chosen.contains(&mutant.about.id)).collect();
    let Singles { judged, unrun } = singles(&mut prepared, &wanted, args)?;
    let abouts = wanted.iter().map(|mutant| &mutant.about);
    let judged: Vec<(&MutantInfo, JudgedSuiteRun)> =
        abouts.filter_map(|about| Some((about, judged.get(&about.id)?.clone()))).collect();
    let times = (prepared.start.elapsed().as_secs_f64(), prepared.kernel_seconds);
    let report = SinglesReport::new(prepared.setting(), times, judged, unrun);
    let name = if chosen.len() == mutants.len() { "report-findings.json" } else { "report-findings-part.json" };
    Printed::new(&report, report.text(), report.exit_code(), results.dir().join(name)).map(Some)
}

/// Runs the suite on combinations of mutants, and before that on each of their members alone. Returns `None` if verdicts without a
/// mutant are not as expected.
///
/// # Errors
/// When mutants cannot be run. A masked mutant is not an error.
pub fn together(
    mut prepared: Prepared<'_>,
    mutants: &[Mutant],
    combinations: Combinations,
    args: &MutantsArgs,
) -> Result<Option<Printed>> {
    let results = prepared.results(RunMode::Findings)?;
    if prepared.baseline(&results, args.anew)?.is_none() {
        return Ok(None);
    }
    let taken = |mutant: &&Mutant| combinations.chosen.iter().any(|ids| ids.contains(&mutant.about.id));
    let members: Vec<&Mutant> = mutants.iter().filter(taken).collect();
    let Singles { judged: singles, unrun: settled } = singles(&mut prepared, &members, args)?;
    let (mut jobs, mut unrun) = (Vec::new(), Vec::new());
    for ids in &combinations.chosen {
        let of = |id: &String| members.iter().find(|mutant| mutant.about.id == *id).copied();
        let group: Vec<&Mutant> = ids.iter().filter_map(of).collect();
        match settled.iter().find(|settled| ids.contains(&settled.id)) {
            Some(settled) => {
                let why = format!("{}: {}", settled.id, settled.why);
                unrun.push(UnrunMutant { id: id(&group), why });
            }
            None => jobs.push(Job { members: group, image: prepared.joint.image.clone(), results: results.clone() }),
        }
    }
    let word = combinations.what();
    let judged = judged(&prepared, jobs, args, &word, |judged| {
        let run = CombinedRun::new(judged.clone(), &alone_of(judged, &singles));
        (!run.all_named()).then(|| run.text())
    })?;
    let runs = judged.into_iter().map(|(_, run)| {
        let alone = alone_of(&run, &singles);
        CombinedRun::new(run, &alone)
    });
    let runs = runs.collect();
    let times = (prepared.start.elapsed().as_secs_f64(), prepared.kernel_seconds);
    let path = results.dir().join(combinations.file_name(args));
    let report = CombinedReport::new(prepared.setting(), times, combinations, runs, unrun);
    Printed::new(&report, report.text(), report.exit_code(), path).map(Some)
}

/// The runs in which the members of a run were wrong alone, in its order.
fn alone_of<'a>(together: &JudgedSuiteRun, singles: &'a BTreeMap<String, JudgedSuiteRun>) -> Vec<&'a JudgedSuiteRun> {
    together.run.members.iter().filter_map(|about| singles.get(&about.id)).collect()
}

/// Mutants that were wrong alone.
struct Singles {
    /// The runs, by id.
    judged: BTreeMap<String, JudgedSuiteRun>,
    /// Mutants that need no run, or cannot be run.
    unrun: Vec<UnrunMutant>,
}

fn singles(prepared: &mut Prepared<'_>, wanted: &[&Mutant], args: &MutantsArgs) -> Result<Singles> {
    let (mut jobs, mut unrun) = (Vec::new(), Vec::new());
    for mutant in wanted {
        let settled = match &mutant.place {
            MutantKernel::Joint(number, _) => prepared.joint.settled.get(number).cloned(),
            MutantKernel::Own(_) => None,
            MutantKernel::None(why) => Some(MutantOutcome::Unviable { why: why.clone() }),
        };
        let kernel = match settled {
            Some(outcome) => Err(outcome),
            None => prepared.kernel_of(mutant, RunMode::Findings)?,
        };
        match kernel {
            Ok((image, results)) => jobs.push(Job { members: vec![*mutant], image, results }),
            Err(outcome) => unrun.push(UnrunMutant { id: mutant.about.id.clone(), why: why(&outcome) }),
        }
    }
    let judged = judged(prepared, jobs, args, "mutants", |_| None)?;
    Ok(Singles { judged: judged.into_iter().collect(), unrun })
}

/// Why a mutant with this outcome is not run.
fn why(outcome: &MutantOutcome) -> String {
    match outcome {
        MutantOutcome::Unviable { why } => why.clone(),
        MutantOutcome::Equivalent { reason } => format!("it is equivalent to the original: {reason}"),
        MutantOutcome::Duplicate { of } => format!("it is the same as {of}"),
        other => other.word().into(),
    }
}

/// Mutants to be wrong at once.
struct Job<'a> {
    members: Vec<&'a Mutant>,
    image: KernelImage,
    results: Results,
}

/// Runs what is not saved, and judges everything, with names, in the order of the jobs. `remark` says what is worth a line as soon
/// as it is known.
fn judged(
    prepared: &Prepared<'_>,
    jobs: Vec<Job<'_>>,
    args: &MutantsArgs,
    word: &str,
    remark: impl Fn(&JudgedSuiteRun) -> Option<String> + Sync,
) -> Result<Vec<(String, JudgedSuiteRun)>> {
    let order: Vec<String> = jobs.iter().map(|job| id(&job.members)).collect();
    let progress = &prepared.pipeline.progress;
    let task = progress.task(&format!("running the suite on {word}"), Some(jobs.len() as u64));
    // Single runs go side by side with one guest each, which is quicker. Combined ones have a limit of time: they run as a user's do.
    let alone = jobs.iter().all(|job| job.members.len() == 1);
    let (runs, guests) = if alone { (args.jobs, 1) } else { (1, args.jobs) };
    let times = case_times::load(&prepared.tree.flavour.name);
    let runner = SuiteRunner::new(prepared, &times, guests);
    let done = Mutex::new(0);
    let mut found = in_parallel(jobs, runs, |Job { members, image, results }| {
        task.message(id(&members));
        let saved = SuiteRun::saved(&members, &results).filter(|_| !args.anew);
        let run = match saved {
            Some(saved) => saved,
            None => runner.run(&members, &image, &results)?,
        };
        let judged = runner.judge(run, &members, &results)?;
        if let Some(line) = remark(&judged) {
            progress.line(line.trim_end());
        }
        let mut done = lock(&done);
        *done += 1;
        task.set(*done);
        Ok((id(&members), judged))
    })?;
    task.done(format!("{} runs", found.len()));
    found.sort_by_key(|(id, _)| order.iter().position(|other| other == id));
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use cases::protocol::CaseKey;
    use harness::findings::severity::Severity;
    use mutants::observed::ObservedFinding;

    use super::*;

    pub(super) fn about(id: &str, clauses: &[&str]) -> MutantInfo {
        MutantInfo {
            id: id.into(),
            made_by: "catalogue".into(),
            file: PathBuf::from("a.c"),
            functions: vec!["f".into()],
            line: None,
            wrong: "it is wrong".into(),
            clauses: clauses.iter().map(ToString::to_string).collect(),
        }
    }

    pub(super) fn finding(clause: &str, observations: &[&str]) -> ObservedFinding {
        ObservedFinding {
            clause: clause.into(),
            title: "it is wrong".into(),
            severity: Severity::Violation,
            case: CaseKey("rights/walk@udmabuf".into()),
            observations: observations.iter().map(ToString::to_string).collect(),
            follow_ups: Vec::new(),
        }
    }

    pub(super) fn judged(findings: Vec<ObservedFinding>) -> JudgedSuiteRun {
        let run = SuiteRun { members: Vec::new(), seconds: 2.0, guests: 1 };
        JudgedSuiteRun { run, findings, hung: Vec::new() }
    }
}
