//! The kernels that mutants run in: one for all that can stand beside the original, and one each for the others.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use harness::error::{Blame, Error, Result};
use harness::kbuild::{self, KernelImage};
use harness::mutant::change::Change;
use harness::mutant::compiler;
use harness::mutant::object_code::ObjectCode;
use harness::mutant::outcome::Outcome;
use harness::mutant::schemata::{CHOOSER, CHOOSER_RULE, CHOOSER_TEXT, version, weave};
use harness::patch::{Edits, PatchedTree};
use harness::process::Cmd;
use harness::uapi_header;

use super::mutant::{Mutant, Place};
use super::set::text;
use crate::pipeline::{Pipeline, Tree};

/// The kernel for all, and what the compiler alone could say about its mutants.
pub struct Joint {
    /// The image.
    pub image: KernelImage,
    /// By number: those that need not be run.
    pub settled: BTreeMap<usize, Outcome>,
}

/// Builds the kernel for all mutants that can be in it.
///
/// All are compiled at once. A mutant that does not compile is taken out, and what is left is compiled again; so each
/// costs nothing but its share of one compilation, and what compiles does so in the kernel that is run.
///
/// # Errors
/// As [`kbuild::build`]; errors of the compiler that belong to no mutant.
pub fn joint(pipeline: &Pipeline, tree: &Tree, mutants: &[Mutant]) -> Result<Joint> {
    let mut settled: BTreeMap<usize, Outcome> = BTreeMap::new();
    let workshop = workshop(tree);
    loop {
        let patched = woven(&tree.patched, mutants, &settled)?;
        let files = files(mutants, &settled);
        let objects: Vec<String> = files.iter().map(|path| path.with_extension("o").display().to_string()).collect();
        let names: Vec<&str> = objects.iter().map(String::as_str).collect();
        let (store, progress) = (&pipeline.store, &pipeline.progress);
        let errors =
            kbuild::objects(&workshop, &patched, &tree.flavour, store, progress, &names, |output, dir| {
                let errors = compiler::errors(&output.text);
                if errors.is_empty() && output.status.success() {
                    for object in &objects {
                        settled.extend(proved(&dir.join(object), mutants, &settled)?);
                    }
                } else if errors.keys().all(|number| *number == 0) {
                    return Err(Error::new(Blame::Build, "the kernel with all mutants does not compile")
                    .cause(harness::process::tail(&output.text, 20))
.next("No mutant is in the lines above, so the tree itself does not build: try `cargo xtask build`."));
                }
                Ok(errors)
            })?;
        if errors.is_empty() {
            let image = kbuild::build(&workshop, &patched, &tree.flavour, store, progress)?;
            return Ok(Joint { image, settled });
        }
        let unviable = errors.into_iter().filter(|(number, _)| *number > 0);
        settled.extend(unviable.map(|(number, why)| (number, Outcome::Unviable { why })));
    }
}

/// The kernel of one mutant.
///
/// # Errors
/// As [`kbuild::build`]; [`Blame::Build`] when the mutant does not compile.
pub fn own(pipeline: &Pipeline, tree: &Tree, mutant: &Mutant) -> Result<KernelImage> {
    let mut patched = with(&tree.patched, &mutant.edits);
    let header = text(&patched, Path::new(uapi_header::PATH)).unwrap_or_default();
    patched.defines_derive = uapi_header::defines_derive(&header);
    kbuild::build(&workshop(tree), &patched, &tree.flavour, &pipeline.store, &pipeline.progress)
}

/// Not the workshop of `cargo xtask test`, which would have to make its objects again after every run against mutants.
fn workshop(tree: &Tree) -> String {
    format!("{}-mutants", tree.spec.id)
}

fn with(patched: &PatchedTree, edits: &Edits) -> PatchedTree {
    let mut all = patched.edits.clone();
    all.0.extend(edits.0.clone());
    PatchedTree {
        source: patched.source.clone(),
        edits: all,
        defines_derive: patched.defines_derive,
        notes: Vec::new(),
    }
}

/// The changes that go into the kernel for all, by file and number.
fn changes<'a>(
    mutants: &'a [Mutant],
    settled: &BTreeMap<usize, Outcome>,
) -> BTreeMap<&'a PathBuf, Vec<(usize, Change)>> {
    let mut changes: BTreeMap<&PathBuf, Vec<(usize, Change)>> = BTreeMap::new();
    for mutant in mutants {
        let Place::Joint(number, own) = &mutant.place else { continue };
        if matches!(settled.get(number), Some(Outcome::Unviable { .. })) {
            continue;
        }
        for (path, change) in own {
            changes.entry(path).or_default().push((*number, change.clone()));
        }
    }
    changes
}

fn files(mutants: &[Mutant], settled: &BTreeMap<usize, Outcome>) -> Vec<PathBuf> {
    changes(mutants, settled).into_keys().cloned().collect()
}

fn woven(patched: &PatchedTree, mutants: &[Mutant], settled: &BTreeMap<usize, Outcome>) -> Result<PatchedTree> {
    let mut edits = Edits::default();
    for (path, changes) in changes(mutants, settled) {
        let original = text(patched, path)
            .ok_or_else(|| Error::new(Blame::Internal, format!("{} was changed and is not there", path.display())))?;
        edits.0.insert(path.clone(), Some(weave(&original, &changes).into_bytes()));
    }
    let makefile = Path::new(CHOOSER).with_file_name("Makefile");
    let rules = text(patched, &makefile).unwrap_or_default() + CHOOSER_RULE;
    edits.0.insert(makefile, Some(rules.into_bytes()));
    edits.0.insert(CHOOSER.into(), Some(CHOOSER_TEXT.into()));
    Ok(with(patched, &edits))
}

/// Mutants whose code is that of the original, or of a mutant before them.
fn proved(object: &Path, mutants: &[Mutant], settled: &BTreeMap<usize, Outcome>) -> Result<BTreeMap<usize, Outcome>> {
    let text = Cmd::new("objdump")
        .args(["-d", "-r", "--no-show-raw-insn"])
        .path(object)
        .succeed(Blame::Host, "objdump cannot read what was compiled")?;
    let code = ObjectCode::parse(&text);
    let mut found = BTreeMap::new();
    let mut seen: Vec<(usize, &str, &str)> = Vec::new();
    for mutant in mutants {
        let Place::Joint(number, changes) = &mutant.place else { continue };
        let only = changes.values().next().filter(|_| changes.len() == 1).and_then(Change::only);
        // What a warning says is not in the instructions.
        let Some(piece) = only.filter(|_| !settled.contains_key(number) && !mutant.about.wrong.contains("WARN")) else {
            continue;
        };
        let (name, own) = (piece.name.as_str(), version(&piece.name, *number));
        if code.of(&own).is_none() {
            continue;
        }
        if code.same(&own, &version(name, 0)) {
            let reason = format!("gcc makes of {name}() the same instructions as without it");
            found.insert(*number, Outcome::Equivalent { reason });
        } else if let Some((.., id)) =
            seen.iter().find(|(other, function, _)| *function == name && code.same(&own, &version(name, *other)))
        {
            found.insert(*number, Outcome::Duplicate { of: (*id).to_string() });
        } else {
            seen.push((*number, name, &mutant.about.id));
        }
    }
    Ok(found)
}
