//! The mutants of a tree.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use harness::error::{Error, ErrorKind, Result, io};
use harness::host::store::Store;
use harness::patch::{Edits, PatchedTree};
use mutants::catalogue;
use mutants::correct;
use mutants::generate;
use mutants::history;
use mutants::in_diff::InDiff;

use super::mutant::{CATALOGUE, CLOSING, CORRECT, HISTORY, Mutant, MutantInfo, MutantKernel};
use crate::flags::MutantsArgs;
use crate::run::pipeline::{Tree, overlay};
use crate::workspace;

/// All mutants, numbered from 1, regardless of filters and shards: these only select what is run, so that the joint kernel is
/// always the same.
///
/// # Errors
/// When the catalogue or a source file is invalid.
pub fn all(tree: &Tree, store: &Store, args: &MutantsArgs) -> Result<Vec<Mutant>> {
    let mut mutants = Vec::new();
    if args.correct {
        for entry in correct(tree, args)? {
            mutants.push(by_hand(tree, store, CORRECT, (entry.slug, entry.path, entry.built, Vec::new()))?);
        }
    } else if args.history {
        return of_history(tree, store, &tree.flavour.name, args.from.as_deref());
    } else if !args.generated {
        let made_by = if args.closing { CLOSING } else { CATALOGUE };
        for entry in catalogue::load(&directory(args.from.as_deref(), made_by), &tree.patched.source.version)? {
            mutants.push(by_hand(tree, store, made_by, (entry.slug, entry.path, entry.wrong, entry.clauses))?);
        }
    }
    let by_hand_only =
        args.catalogue || args.closing || args.findings || args.pairs.is_some() || args.composites.is_some();
    if !by_hand_only && !args.correct {
        mutants.extend(generated(&tree.patched)?);
    }
    Ok(numbered(mutants))
}

/// The bugs of the history that this flavour shows, numbered as those of [`all`].
///
/// # Errors
/// As [`history`].
pub fn of_history(tree: &Tree, store: &Store, flavour: &str, from: Option<&Path>) -> Result<Vec<Mutant>> {
    let mut mutants = Vec::new();
    for entry in history(tree, from)?.into_iter().filter(|entry| entry.flavour == flavour) {
        mutants.push(by_hand(tree, store, HISTORY, (entry.slug, entry.path, entry.seen_by, entry.clauses))?);
    }
    Ok(numbered(mutants))
}

fn numbered(mut mutants: Vec<Mutant>) -> Vec<Mutant> {
    let mut number = 0;
    for mutant in &mut mutants {
        if let MutantKernel::Joint(own, _) = &mut mutant.place {
            number += 1;
            *own = number;
        }
    }
    mutants
}

/// The correct implementations for the tree's kernel.
///
/// # Errors
/// What a header can have wrong.
pub fn correct(tree: &Tree, args: &MutantsArgs) -> Result<Vec<correct::CorrectEntry>> {
    correct::load(&directory(args.from.as_deref(), CORRECT), &tree.patched.source.version)
}

/// The bugs of the history for the tree's kernel, whatever their flavour.
///
/// # Errors
/// What a header can have wrong.
pub fn history(tree: &Tree, from: Option<&Path>) -> Result<Vec<history::HistoryEntry>> {
    history::load(&directory(from, HISTORY), &tree.patched.source.version)
}

/// For each other flavour, a sentence that says which bugs of the history only that one shows.
///
/// # Errors
/// As [`history`].
pub fn elsewhere(tree: &Tree, from: Option<&Path>) -> Result<Vec<String>> {
    let mut others: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for entry in history(tree, from)?.into_iter().filter(|entry| entry.flavour != tree.flavour.name) {
        others.entry(entry.flavour).or_default().push(entry.slug);
    }
    let sentence = |(flavour, ids): (String, Vec<String>)| format!("only with --flavour {flavour}: {}", ids.join(", "));
    Ok(others.into_iter().map(sentence).collect())
}

fn directory(from: Option<&Path>, name: &str) -> PathBuf {
    from.map_or_else(|| workspace::mutants().join(name), Path::to_path_buf)
}

fn by_hand(
    tree: &Tree,
    store: &Store,
    made_by: &str,
    (id, path, wrong, clauses): (String, PathBuf, String, Vec<String>),
) -> Result<Mutant> {
    let about = MutantInfo {
        id,
        made_by: made_by.into(),
        file: PathBuf::new(),
        functions: Vec::new(),
        line: None,
        wrong,
        clauses,
    };
    let source = tree.patched.source.clone();
    let series = tree.series.clone().with(&path)?;
    let edits = match PatchedTree::make(source, &series, &overlay(&tree.flavour)?, store) {
        Ok(patched) => patched.edits,
        Err(error) if error.kind == ErrorKind::Patch => {
            let why = format!("{}: {}", error.title, error.cause.lines().next().unwrap_or_default());
            return Ok(Mutant { about, edits: Edits::default(), place: MutantKernel::None(why) });
        }
        Err(error) => return Err(error),
    };
    let base = &tree.patched.edits.0;
    let mut own = Edits(edits.0.clone().into_iter().filter(|(path, text)| base.get(path) != Some(text)).collect());
    for path in base.keys().filter(|path| !edits.0.contains_key(*path)) {
        // The patch undoes what the series did to this file.
        own.0.insert(path.clone(), fs::read(tree.patched.source.dir.join(path)).ok());
    }
    if own.0.is_empty() {
        return Ok(Mutant { about, edits: own, place: MutantKernel::None("it changes nothing".into()) });
    }
    let file = own.0.keys().next().cloned().unwrap_or_default();
    Ok(Mutant::new(MutantInfo { file, ..about }, own, |path| text(&tree.patched, path)))
}

fn generated(patched: &PatchedTree) -> Result<Vec<Mutant>> {
    let mut mutants = Vec::new();
    for (path, contents) in &patched.edits.0 {
        let before = fs::read(patched.source.dir.join(path)).ok();
        let (Some(contents), true) = (contents, is_code(path)) else { continue };
        let (before, after) = (before.unwrap_or_default(), String::from_utf8_lossy(contents));
        for made in generate::mutants(path, &String::from_utf8_lossy(&before), &after)? {
            let about = MutantInfo {
                id: made.id,
                made_by: made.operator.into(),
                file: made.file,
                functions: Some(made.function).filter(|name| !name.is_empty()).into_iter().collect(),
                line: Some(made.line),
                wrong: made.words,
                clauses: Vec::new(),
            };
            let edits = Edits([(path.clone(), Some(made.text.into_bytes()))].into());
            mutants.push(Mutant::new(about, edits, |path| text(patched, path)));
        }
    }
    Ok(mutants)
}

/// Whether this is C code of the series and not our test importer.
fn is_code(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "c") && !path.starts_with("drivers/dma-buf/conformance")
}

/// A file of the patched tree.
pub fn text(patched: &PatchedTree, path: &Path) -> Option<String> {
    let bytes = match patched.edits.0.get(path) {
        Some(contents) => contents.clone()?,
        None => fs::read(patched.source.dir.join(path)).ok()?,
    };
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// The ids of the mutants that the arguments select.
///
/// # Errors
/// [`ErrorKind::Usage`] for a filter that matches nothing, for a diff of another tree, and when no mutant is left.
pub fn chosen(mutants: &[Mutant], patched: &PatchedTree, args: &MutantsArgs) -> Result<Vec<String>> {
    for filter in &args.filters {
        if !mutants.iter().any(|mutant| mutant.about.fits(filter)) {
            return Err(Error::new(ErrorKind::Usage, format!("no mutant matches {filter}"))
                .next("`cargo xtask dev mutants --list` lists all mutants."));
        }
    }
    let diff = match &args.in_diff {
        None => None,
        Some(path) => {
            let text = fs::read_to_string(path)
                .map_err(|error| Error { kind: ErrorKind::Usage, ..io(&error, "reading", path) })?;
            Some(InDiff::parse(&text)?)
        }
    };
    let mut chosen = Vec::new();
    for mutant in mutants {
        let fits = args.filters.is_empty() || args.filters.iter().any(|filter| mutant.about.fits(filter));
        let within = match &diff {
            Some(diff) => mutant.is_in(diff, |path| text(patched, path))?,
            None => true,
        };
        if fits && within {
            chosen.push(mutant.about.id.clone());
        }
    }
    if let Some((part, parts)) = args.shard {
        chosen = chosen.into_iter().skip(part).step_by(parts).collect();
    }
    if chosen.is_empty() {
        return Err(Error::new(ErrorKind::Usage, "no mutant is left to run")
            .next("`cargo xtask dev mutants --list` lists all mutants."));
    }
    Ok(chosen)
}
