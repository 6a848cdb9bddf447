//! `cargo xtask dev kselftest --history`: runs the kernel's own selftests on each bug of the history, and shows which they notice.

use std::collections::BTreeSet;
use std::fs;

use harness::error::{Error, ErrorKind, Result, io};
use harness::exit_code::ExitCode;
use harness::guest::initramfs::GuestBinary;
use harness::host::process::check_interrupt;
use harness::host::style::printable;
use harness::kbuild::image::KernelImage;
use mutants::history::FLAVOUR;
use mutants::outcome::MutantOutcome;
use mutants::schemata::CHOSEN;

use super::kernels;
use super::mutant::{Mutant, MutantKernel};
use super::mutant_list;
use super::results::{Results, RunMode};
use crate::commands::dev::kselftest::Upstream;
use crate::flags::{KernelArgs, KselftestArgs};
use crate::run::pipeline::{Pipeline, Tree};

/// Runs them and prints a line for each bug. The kernel has all bugs in it, as that of `mutants --history`.
///
/// # Errors
/// When they cannot be run. That a bug is not noticed is not an error.
pub fn run(args: &KselftestArgs, quiet: bool) -> Result<ExitCode> {
    let pipeline = Pipeline::open(quiet)?;
    let flavour = args.kernel.flavour.clone().or_else(|| Some(FLAVOUR.into()));
    let tree = pipeline.tree(&KernelArgs { flavour, ..args.kernel.clone() })?;
    // The tests may run in any flavour; a bug that only another flavour shows is one that these tests are not meant to see.
    let mutants = mutant_list::of_history(&tree, &pipeline.store, FLAVOUR, None)?;
    let fits = |mutant: &&Mutant| args.filters.is_empty() || args.filters.iter().any(|text| mutant.about.fits(text));
    let wanted: Vec<&Mutant> = mutants.iter().filter(fits).collect();
    if wanted.is_empty() {
        return Err(Error::new(ErrorKind::Usage, "no bug of the history matches")
            .next("`cargo xtask dev mutants --history --list` lists all."));
    }
    let joint = kernels::joint(&pipeline, &tree, &mutants)?;
    let guest = pipeline.guest_program(tree.flavour.arch)?;
    let job = SelftestJob { args, pipeline: &pipeline, tree: &tree, guest: &guest };
    let found = job.faults(&joint.image, "none", Some(0))?;
    for fault in &found {
        println!("without a bug: {}", printable(fault));
    }
    let usual: BTreeSet<String> = found.iter().map(|fault| comparable(fault)).collect();
    let (mut noticed, mut count) = (0, 0);
    for mutant in wanted {
        let id = &mutant.about.id;
        let found = match &mutant.place {
            MutantKernel::Joint(number, _) => match joint.settled.get(number) {
                Some(MutantOutcome::Unviable { why }) => Err(why.clone()),
                _ => Ok(job.faults(&joint.image, id, Some(*number))?),
            },
            MutantKernel::Own(_) => Ok(job.faults(&kernels::own(&pipeline, &tree, mutant)?, id, None)?),
            MutantKernel::None(why) => Err(why.clone()),
        };
        match found {
            Err(why) => println!("UNVIABLE  {id}: {why}"),
            Ok(faults) => {
                let new = faults.into_iter().find(|fault| !usual.contains(&comparable(fault)));
                count += 1;
                noticed += u32::from(new.is_some());
                match new {
                    Some(fault) => println!("noticed   {id}: {}", printable(&fault)),
                    None => println!("MISSED    {id}: {}", mutant.about.wrong),
                }
            }
        }
    }
    println!("the kernel's own selftests notice {noticed} of {count} bugs");
    Ok(ExitCode::AsExpected)
}

/// A fault without its numbers, such as seconds and addresses, which differ from run to run.
fn comparable(fault: &str) -> String {
    fault.split(|c: char| c.is_ascii_digit()).filter(|part| !part.is_empty()).collect::<Vec<_>>().join("#")
}

/// What all runs have in common.
struct SelftestJob<'a> {
    args: &'a KselftestArgs,
    pipeline: &'a Pipeline,
    tree: &'a Tree,
    guest: &'a GuestBinary,
}

impl SelftestJob<'_> {
    /// What the tests notice on a kernel.
    fn faults(&self, image: &KernelImage, id: &str, number: Option<usize>) -> Result<Vec<String>> {
        check_interrupt()?;
        let dir = Results::open(image, self.guest, &[], RunMode::FirstViolation)?.guests(&format!("selftests-{id}"));
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).map_err(|error| io(&error, "creating", &dir))?;
        let append: Vec<String> = number.map(|number| format!("{CHOSEN}={number}")).into_iter().collect();
        let upstream = Upstream::run(self.pipeline, self.tree, image, self.guest, self.args.accel, &dir, &append)?;
        Ok(upstream.faults())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_that_is_always_too_slow_is_not_news() {
        let slow = |seconds: u32| comparable(&format!("sync_test not finished within {seconds} seconds"));
        assert_eq!(slow(105), slow(1630));
        assert_ne!(slow(105), comparable("sync_test exited with 1"));
    }
}
