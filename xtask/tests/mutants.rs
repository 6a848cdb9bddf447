//! Checks the catalogue of wrong implementations, the bugs of the history and the correct ones: headers, names and duplicates.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use common::root;
use harness::kbuild::kconfig::Flavour;
use harness::kernel_range::{KernelRange, Release};

const CATALOGUE: &str = "mutants/catalogue";
const CLOSING: &str = "mutants/closing";
const LABELLED: &str = "mutants/labelled";
const CORRECT: &str = "mutants/correct";
const HISTORY: &str = "mutants/history";
/// Where fixes of the history are.
const SUBSYSTEMS: [&str; 7] = [
    "drivers/dma-buf/",
    "drivers/gpu/drm/drm_",
    "drivers/gpu/drm/vgem/",
    "drivers/media/common/videobuf2/",
    "kernel/bpf/dmabuf_iter.c",
    // memfd_pin_folios(), which udmabuf calls
    "mm/gup.c",
    "mm/memfd.c",
];
/// Minimum number of entries, in the catalogue and in the history.
const ENOUGH: usize = 40;

/// One patch file.
struct Mutant {
    path: PathBuf,
    /// The release whose directory it is in, if it is in one.
    variant_of: Option<String>,
    slug: String,
    header: Vec<(String, String)>,
    diff: String,
}

impl Mutant {
    fn read(path: &Path, variant_of: Option<String>) -> Self {
        let text = fs::read_to_string(path).expect("a patch is text");
        let (header, diff) = text.split_once("\n\n").unwrap_or((&text, ""));
        let entry = |line: &str| {
            let (key, value) = line.split_once(": ").unwrap_or((line, ""));
            (key.to_string(), value.to_string())
        };
        Mutant {
            path: path.strip_prefix(root()).expect("below the repository").to_path_buf(),
            variant_of,
            slug: path.file_stem().expect("it has a name").to_string_lossy().into_owned(),
            header: header.lines().map(entry).collect(),
            diff: diff.to_string(),
        }
    }

    fn field(&self, key: &str) -> &str {
        self.header.iter().find(|(name, _)| name == key).map_or("", |(_, value)| value)
    }

    /// The diff without the lines that name blobs.
    fn changes(&self) -> String {
        self.diff.lines().filter(|line| !line.starts_with("index ")).collect::<Vec<_>>().join("\n")
    }

    /// Faults of one that should violate these clauses, in these files.
    fn faults(&self, judges: impl Fn(&str) -> bool, ours: impl Fn(&str) -> bool) -> Vec<String> {
        let mut faults = Vec::new();
        let keys: Vec<&str> = self.header.iter().map(|(key, _)| key.as_str()).collect();
        if !matches!(keys[..], ["Wrong", "How", "Clause"] | ["Wrong", "How", "Clause", "Kernels"]) {
            faults.push(format!("the header has {keys:?}, expected Wrong, How, Clause and optionally Kernels"));
        }
        for key in ["Wrong", "How"] {
            let sentence = self.field(key);
            if !sentence.ends_with('.') || sentence.contains(". ") {
                faults.push(format!("{key} has to be one sentence: {sentence:?}"));
            }
        }
        let mut clauses = BTreeSet::new();
        for clause in self.field("Clause").split(", ") {
            if cases::clause::find(clause).is_none() {
                faults.push(format!("{clause:?} is not a clause of docs/contract.md"));
            } else if !judges(clause) {
                faults.push(format!("{clause} does not judge implementations"));
            } else if !clauses.insert(clause) {
                faults.push(format!("{clause} is named twice"));
            }
        }
        let kernels = self.field("Kernels");
        if !kernels.is_empty() && kernels.parse::<KernelRange>().is_err() {
            faults.push(format!("Kernels is not a range of releases: {kernels:?}"));
        }
        if !self
            .slug
            .split('-')
            .all(|word| !word.is_empty() && word.chars().all(|c| matches!(c, 'a'..='z' | '0'..='9')))
        {
            faults.push("the name is not made of lower case words with hyphens between them".into());
        }
        if !self.diff.starts_with("diff --git a/") {
            faults.push("after the header and an empty line comes the output of git diff".into());
        }
        let files = self.diff.lines().filter_map(|line| line.strip_prefix("+++ b/"));
        faults.extend(files.filter(|file| !ours(file)).map(|file| format!("{file} is not a file of the series")));
        faults
    }
}

fn mutants() -> Vec<Mutant> {
    patches(CATALOGUE)
}

/// Those on top of the series that declare what they close.
fn of_other_series() -> Vec<Mutant> {
    [CLOSING, LABELLED].into_iter().flat_map(patches).collect()
}

/// All patches of a directory, and the variants for kernels where the context differs.
fn patches(dir: &str) -> Vec<Mutant> {
    let mut found = Vec::new();
    let mut look = |dir: &Path, variant_of: Option<String>| {
        let entries =
            fs::read_dir(dir).expect("the directory is there").map(|entry| entry.expect("it can be read").path());
        let (dirs, files): (Vec<PathBuf>, Vec<PathBuf>) = entries.partition(|path| path.is_dir());
        found.extend(files.iter().map(|path| Mutant::read(path, variant_of.clone())));
        dirs
    };
    for dir in look(&root().join(dir), None) {
        let release = dir.file_name().expect("it has a name").to_string_lossy().into_owned();
        assert!(Release::of(&release).is_some_and(|found| found.to_string() == release), "{release} is not a release");
        assert_eq!(look(&dir, Some(release)), [] as [PathBuf; 0], "variants are in one level of directories");
    }
    found
}

#[test]
fn every_mutant_has_a_valid_header() {
    let core = |file: &str| file.starts_with("drivers/dma-buf/") || file.ends_with("linux/dma-buf.h");
    let contract = |clause: &str| !["H-", "B-", "C-"].iter().any(|chapter| clause.starts_with(chapter));
    // Where a series declares it closed, a hazard is judged as contract.
    let closable = |clause: &str| !clause.starts_with("B-");
    let told = |mutant: &Mutant, faults: Vec<String>| {
        let path = mutant.path.display().to_string();
        faults.into_iter().map(move |fault| format!("{path}: {fault}"))
    };
    let catalogue = mutants();
    let closing = of_other_series();
    let faults: Vec<String> = catalogue
        .iter()
        .flat_map(|mutant| told(mutant, mutant.faults(contract, core)))
        .chain(closing.iter().flat_map(|mutant| told(mutant, mutant.faults(closable, |_| true))))
        .collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn no_two_mutants_are_the_same() {
    let all = mutants();
    let originals: Vec<&Mutant> = all.iter().filter(|mutant| mutant.variant_of.is_none()).collect();
    assert!(originals.len() >= ENOUGH, "the catalogue has {} entries, at least {ENOUGH} are required", originals.len());
    let closing = of_other_series();
    let mut seen: BTreeMap<String, &Path> = BTreeMap::new();
    let mut twins = Vec::new();
    for mutant in originals.into_iter().chain(&closing) {
        for what in [mutant.field("Wrong").to_string(), mutant.changes()] {
            if let Some(other) = seen.insert(what, &mutant.path) {
                twins.push(format!("{} and {}", other.display(), mutant.path.display()));
            }
        }
    }
    assert!(twins.is_empty(), "these say or do the same:\n{}", twins.join("\n"));
}

#[test]
fn a_variant_differs_from_its_original_only_in_the_diff() {
    let mut faults = Vec::new();
    for (dir, keys) in [(CATALOGUE, &["Wrong", "How", "Clause"]), (CORRECT, &["Built", "Freedom", "Recorded"])] {
        faults.extend(variant_faults(&patches(dir), keys));
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

fn variant_faults(all: &[Mutant], keys: &[&str]) -> Vec<String> {
    let mut faults = Vec::new();
    for variant in all.iter().filter(|mutant| mutant.variant_of.is_some()) {
        let path = variant.path.display();
        let Some(original) = all.iter().find(|other| other.variant_of.is_none() && other.slug == variant.slug) else {
            faults.push(format!("{path} has no original"));
            continue;
        };
        if keys.iter().any(|key| original.field(key) != variant.field(key)) {
            faults.push(format!("{path} has another header than {}", original.path.display()));
        }
        if !variant.field("Kernels").is_empty() {
            faults.push(format!("{path}: remove Kernels, its directory names the kernel"));
        }
        if original.diff == variant.diff {
            faults.push(format!("{path} is a copy of {}", original.path.display()));
        }
    }
    faults
}

#[test]
fn every_correct_implementation_says_how_it_is_built_and_what_leaves_that_open() {
    let all = patches(CORRECT);
    let mut faults = Vec::new();
    let mut seen = BTreeMap::new();
    for it in &all {
        let path = it.path.display();
        let text = fs::read_to_string(root().join(&it.path)).expect("it was read before");
        if let Err(why) = mutants::correct::parse(&it.slug, &it.path, &text) {
            faults.push(format!("{path}: {why}"));
        }
        let (clauses, rest) = it.field("Freedom").split_once(": ").unwrap_or_default();
        if rest.is_empty() || clauses.split(", ").any(|clause| cases::clause::find(clause).is_none()) {
            faults.push(format!("{path}: Freedom begins with the clauses it is about"));
        }
        if !["Built", "Freedom"].iter().all(|key| it.field(key).ends_with('.')) || !it.diff.starts_with("diff --git a/")
        {
            faults.push(format!(
                "{path}: sentences end with a dot, and after an empty line comes the output of git diff"
            ));
        }
        if let Some(other) = it.variant_of.is_none().then(|| seen.insert(it.changes(), it.path.clone())).flatten() {
            faults.push(format!("{path} does the same as {}", other.display()));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_bug_of_the_history_names_its_fix_and_a_clause() {
    let all = patches(HISTORY);
    assert!(all.len() >= ENOUGH, "the history has {} entries, at least {ENOUGH} are required", all.len());
    let mut faults = Vec::new();
    let mut seen = BTreeMap::new();
    for bug in &all {
        let path = bug.path.display();
        let text = fs::read_to_string(root().join(&bug.path)).expect("it was read before");
        let entry = match mutants::history::parse(&bug.slug, &bug.path, &text) {
            Ok(entry) => entry,
            Err(why) => {
                faults.push(format!("{path}: {why}"));
                continue;
            }
        };
        let known = ["Fixed-by", "Since", "Fixed-in", "CVE", "Seen-by", "Clause", "Flavour", "Kernels"];
        let wrong = bug.header.iter().map(|(key, _)| key).filter(|key| !known.contains(&key.as_str()));
        faults.extend(wrong.map(|key| format!("{path}: {key} is not a line of a header")));
        let unknown = entry.clauses.iter().filter(|clause| cases::clause::find(clause).is_none());
        faults.extend(unknown.map(|clause| format!("{path}: {clause} is not a clause of docs/contract.md")));
        for release in [&entry.since, &entry.fixed_in].into_iter().flatten() {
            if Release::of(release).is_none_or(|found| found.to_string() != *release) {
                faults.push(format!("{path}: {release} is not a release"));
            }
        }
        if entry.cve.as_ref().is_some_and(|cve| !cve.starts_with("CVE-")) {
            faults.push(format!("{path}: CVE is not a CVE number"));
        }
        if !entry.seen_by.ends_with('.') || entry.seen_by.contains(". ") {
            faults.push(format!("{path}: Seen-by has to be one sentence"));
        }
        if let Err(error) = Flavour::load(&entry.flavour, &root().join("kconfigs")) {
            faults.push(format!("{path}: {error}"));
        }
        if !bug.diff.starts_with("diff --git a/") {
            faults.push(format!("{path}: after the header and an empty line comes the output of git diff"));
        }
        let files = bug.diff.lines().filter_map(|line| line.strip_prefix("+++ b/"));
        let elsewhere = files.filter(|file| !SUBSYSTEMS.iter().any(|start| file.starts_with(start)));
        faults.extend(elsewhere.map(|file| format!("{path}: {file} is not a file of these subsystems")));
        for what in [entry.fixed_by.clone(), entry.seen_by.clone(), bug.changes()] {
            if let Some(other) = seen.insert(what, bug.path.clone()) {
                faults.push(format!("{path} says or does the same as {}", other.display()));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
