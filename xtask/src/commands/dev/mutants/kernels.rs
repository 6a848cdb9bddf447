//! The kernels that mutants run in: one joint kernel for all mutants that can be selected at boot, and one each for the others.

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
use super::mutant_list::text;
use crate::run::pipeline::{Pipeline, Tree};

/// The joint kernel, and the mutants that the compiler alone settled.
pub struct JointKernel {
    /// The image.
    pub image: KernelImage,
    /// Mutants that need not be run, by number.
    pub settled: BTreeMap<usize, MutantOutcome>,
}

/// Builds the joint kernel.
///
/// All mutants are compiled at once. One that does not compile is removed, and the rest is compiled again. So all mutants
/// together cost about one compilation.
///
/// # Errors
/// As [`image::build`]; compiler errors outside of all mutants.
pub fn joint(pipeline: &Pipeline, tree: &Tree, mutants: &[Mutant]) -> Result<JointKernel> {
    let mut settled: BTreeMap<usize, MutantOutcome> = BTreeMap::new();
    let (build_dir, objdump) = (build_dir(tree), tree.flavour.arch.tool("objdump"));
    loop {
        let patched = woven(&tree.patched, mutants, &settled)?;
        let files = files(mutants, &settled);
        let objects: Vec<String> = files.iter().map(|path| path.with_extension("o").display().to_string()).collect();
        let names: Vec<&str> = objects.iter().map(String::as_str).collect();
        let (store, progress) = (&pipeline.store, &pipeline.progress);
        let errors = image::objects(&build_dir, &patched, &tree.flavour, store, progress, &names, |output, dir| {
            let errors = compiler::errors(&output.text);
            if errors.is_empty() && output.status.success() {
                for object in &objects {
                    settled.extend(same_code(&objdump, &dir.join(object), mutants, &settled)?);
                }
            } else if errors.keys().all(|number| *number == 0) {
                return Err(Error::new(ErrorKind::Build, "the kernel with all mutants does not compile")
                    .cause(harness::host::process::tail(&output.text, 20))
.next("No error is in the lines of a mutant, so the tree itself does not compile. Try `cargo xtask build`."));
            }
            Ok(errors)
        })?;
        if errors.is_empty() {
            let image = image::build(&build_dir, &patched, &tree.flavour, store, progress)?;
            return Ok(JointKernel { image, settled });
        }
        let unviable = errors.into_iter().filter(|(number, _)| *number > 0);
        settled.extend(unviable.map(|(number, why)| (number, MutantOutcome::Unviable { why })));
    }
}

/// The kernel of one mutant.
///
/// # Errors
/// As [`image::build`]; [`ErrorKind::Build`] when the mutant does not compile.
pub fn own(pipeline: &Pipeline, tree: &Tree, mutant: &Mutant) -> Result<KernelImage> {
    let mut patched = with(&tree.patched, &mutant.edits);
    let header = text(&patched, Path::new(uapi_header::PATH)).unwrap_or_default();
    patched.defines_derive = uapi_header::defines_derive(&header);
    image::build(&build_dir(tree), &patched, &tree.flavour, &pipeline.store, &pipeline.progress)
}

/// Not the build directory of `cargo xtask test`, which would have to rebuild its objects after every run on mutants.
fn build_dir(tree: &Tree) -> String {
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

/// The changes in the joint kernel, by file and number.
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
            Error::new(ErrorKind::Internal, format!("a mutant changes {}, which does not exist", path.display()))
        })?;
        edits.0.insert(path.clone(), Some(weave(&original, &changes).into_bytes()));
    }
    let makefile = Path::new(CHOOSER).with_file_name("Makefile");
    let rules = text(patched, &makefile).unwrap_or_default() + CHOOSER_RULE;
    edits.0.insert(makefile, Some(rules.into_bytes()));
    edits.0.insert(CHOOSER.into(), Some(CHOOSER_TEXT.into()));
    Ok(with(patched, &edits))
}

/// Mutants that compile to the same code as the original or as an earlier mutant.
fn same_code(
    objdump: &str,
    object: &Path,
    mutants: &[Mutant],
    settled: &BTreeMap<usize, MutantOutcome>,
) -> Result<BTreeMap<usize, MutantOutcome>> {
    let text = Cmd::new(objdump)
        .args(["-d", "-r", "--no-show-raw-insn"])
        .path(object)
        .succeed(ErrorKind::Host, "objdump cannot read an object file")?;
    let code = ObjectCode::parse(&text);
    let mut found = BTreeMap::new();
    let mut seen: Vec<(usize, &str, &str)> = Vec::new();
    for mutant in mutants {
        let MutantKernel::Joint(number, changes) = &mutant.place else { continue };
        let only = changes.values().next().filter(|_| changes.len() == 1).and_then(SourceChange::only);
        // The text of a warning is not in the instructions.
        let Some(piece) = only.filter(|_| !settled.contains_key(number) && !mutant.about.wrong.contains("WARN")) else {
            continue;
        };
        let (name, own) = (piece.name.as_str(), version(&piece.name, *number));
        if code.of(&own).is_none() {
            continue;
        }
        if code.same(&own, &version(name, 0)) {
            let reason = format!("gcc compiles {name}() to the same instructions as the original");
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
