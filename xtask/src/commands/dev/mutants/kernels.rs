//! The kernels that mutants run in: one for all that can stand beside the original, and one each for the others.

use mutants::change::SourceChange;
use mutants::compiler;
use mutants::object_code::ObjectCode;
use mutants::outcome::MutantOutcome;
use mutants::schemata::{CHOOSER, CHOOSER_RULE, CHOOSER_TEXT, version, weave};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use harness::error::{Error, ErrorKind, Result};
use harness::host::process::Cmd;
use harness::kbuild::image::{self, KernelImage};
use harness::patch::uapi_header;
use harness::patch::{Edits, PatchedTree};

use super::mutant::{Mutant, MutantKernel};
use super::set::text;
use crate::run::pipeline::{Pipeline, Tree};

/// The kernel for all, and what the compiler alone could say about its mutants.
pub struct Joint {
    /// The image.
    pub image: KernelImage,
    /// By number: those that need not be run.
    pub settled: BTreeMap<usize, MutantOutcome>,
}

/// Builds the kernel for all mutants that can be in it.
///
/// All are compiled at once. A mutant that does not compile is taken out, and what is left is compiled again; so each
/// costs nothing but its share of one compilation, and what compiles does so in the kernel that is run.
///
/// # Errors
/// As [`kbuild::build`]; errors of the compiler that belong to no mutant.
pub fn joint(pipeline: &Pipeline, tree: &Tree, mutants: &[Mutant]) -> Result<Joint> {
    let mut settled: BTreeMap<usize, MutantOutcome> = BTreeMap::new();
    let workshop = workshop(tree);
    loop {
        let patched = woven(&tree.patched, mutants, &settled)?;
        let files = files(mutants, &settled);
        let objects: Vec<String> = files.iter().map(|path| path.with_extension("o").display().to_string()).collect();
        let names: Vec<&str> = objects.iter().map(String::as_str).collect();
        let (store, progress) = (&pipeline.store, &pipeline.progress);
        let errors =
            image::objects(&workshop, &patched, &tree.flavour, store, progress, &names, |output, dir| {
                let errors = compiler::errors(&output.text);
                if errors.is_empty() && output.status.success() {
                    for object in &objects {
                        settled.extend(proved(&dir.join(object), mutants, &settled)?);
                    }
                } else if errors.keys().all(|number| *number == 0) {
                    return Err(Error::new(ErrorKind::Build, "the kernel with all mutants does not compile")
                    .cause(harness::host::process::tail(&output.text, 20))
.next("No mutant is in the lines above, so the tree itself does not build: try `cargo xtask build`."));
                }
                Ok(errors)
            })?;
        if errors.is_empty() {
            let image = image::build(&workshop, &patched, &tree.flavour, store, progress)?;
            return Ok(Joint { image, settled });
        }
        let unviable = errors.into_iter().filter(|(number, _)| *number > 0);
        settled.extend(unviable.map(|(number, why)| (number, MutantOutcome::Unviable { why })));
    }
}

/// The kernel of one mutant.
///
/// # Errors
/// As [`kbuild::build`]; [`ErrorKind::Build`] when the mutant does not compile.
pub fn own(pipeline: &Pipeline, tree: &Tree, mutant: &Mutant) -> Result<KernelImage> {
    let mut patched = with(&tree.patched, &mutant.edits);
    let header = text(&patched, Path::new(uapi_header::PATH)).unwrap_or_default();
    patched.defines_derive = uapi_header::defines_derive(&header);
    image::build(&workshop(tree), &patched, &tree.flavour, &pipeline.store, &pipeline.progress)
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
    settled: &BTreeMap<usize, MutantOutcome>,
) -> BTreeMap<&'a PathBuf, Vec<(usize, SourceChange)>> {
    let mut changes: BTreeMap<&PathBuf, Vec<(usize, SourceChange)>> = BTreeMap::new();
    for mutant in mutants {
        let MutantKernel::Joint(number, own) = &mutant.place else { continue };
        if matches!(settled.get(number), Some(MutantOutcome::Unviable { .. })) {
            continue;
        }
        for (path, change) in own {
            changes.entry(path).or_default().push((*number, change.clone()));
        }
    }
    changes
}

fn files(mutants: &[Mutant], settled: &BTreeMap<usize, MutantOutcome>) -> Vec<PathBuf> {
    changes(mutants, settled).into_keys().cloned().collect()
}

fn woven(patched: &PatchedTree, mutants: &[Mutant], settled: &BTreeMap<usize, MutantOutcome>) -> Result<PatchedTree> {
    let mut edits = Edits::default();
    for (path, changes) in changes(mutants, settled) {
        let original = text(patched, path).ok_or_else(|| {
            Error::new(ErrorKind::Internal, format!("{} was changed and is not there", path.display()))
        })?;
        edits.0.insert(path.clone(), Some(weave(&original, &changes).into_bytes()));
    }
    let makefile = Path::new(CHOOSER).with_file_name("Makefile");
    let rules = text(patched, &makefile).unwrap_or_default() + CHOOSER_RULE;
    edits.0.insert(makefile, Some(rules.into_bytes()));
    edits.0.insert(CHOOSER.into(), Some(CHOOSER_TEXT.into()));
    Ok(with(patched, &edits))
}

/// Mutants whose code is that of the original, or of a mutant before them.
fn proved(
    object: &Path,
    mutants: &[Mutant],
    settled: &BTreeMap<usize, MutantOutcome>,
) -> Result<BTreeMap<usize, MutantOutcome>> {
    let text = Cmd::new("objdump")
        .args(["-d", "-r", "--no-show-raw-insn"])
        .path(object)
        .succeed(ErrorKind::Host, "objdump cannot read what was compiled")?;
    let code = ObjectCode::parse(&text);
    let mut found = BTreeMap::new();
    let mut seen: Vec<(usize, &str, &str)> = Vec::new();
    for mutant in mutants {
        let MutantKernel::Joint(number, changes) = &mutant.place else { continue };
        let only = changes.values().next().filter(|_| changes.len() == 1).and_then(SourceChange::only);
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
            found.insert(*number, MutantOutcome::Equivalent { reason });
        } else if let Some((.., id)) =
            seen.iter().find(|(other, function, _)| *function == name && code.same(&own, &version(name, *other)))
        {
            found.insert(*number, MutantOutcome::Duplicate { of: (*id).to_string() });
        } else {
            seen.push((*number, name, &mutant.about.id));
        }
    }
    Ok(found)
}
