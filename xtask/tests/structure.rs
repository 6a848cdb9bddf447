//! Rules about the structure of the sources: imports, sizes of files and folders, unique names of public types.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use common::root;
use syn::visit::{self, Visit};

const CRATES: [&str; 5] = ["cases", "harness", "mutants", "importers", "xtask"];

/// The stages of the harness. A module imports from its own stage and from those before it.
const STAGES: [&str; 9] = ["host", "source", "patch", "kbuild", "guest", "judge", "session", "findings", "report"];

/// The modules of a crate, each with the modules that it imports and the imported names.
#[derive(Default)]
struct Imports {
    modules: BTreeMap<String, BTreeMap<String, BTreeSet<String>>>,
}

impl Imports {
    /// Parses all modules of a crate, without tests.
    fn of(name: &str) -> Self {
        let sources = root().join(name).join("src");
        let files: BTreeMap<String, PathBuf> = rust_files(&sources)
            .into_iter()
            .map(|path| (module_of(path.strip_prefix(&sources).expect("it is below")), path))
            .filter(|(module, _)| !module.split("::").any(|part| part == "tests" || part == "schema"))
            .collect();
        let known: BTreeSet<String> = files.keys().cloned().collect();
        let mut imports = Imports::default();
        for (module, path) in &files {
            let source = fs::read_to_string(path).expect("it is text");
            let mut finder = Finder { module: module.clone(), known: &known, taken: BTreeMap::new() };
            finder.visit_file(&syn::parse_file(&source).expect("it compiles"));
            imports.modules.insert(module.clone(), finder.taken);
        }
        imports
    }

    /// Import cycles: what is left after repeatedly removing modules that import nothing or that nobody imports.
    fn cycles(&self) -> Vec<String> {
        let mut left: BTreeSet<&String> = self.modules.keys().collect();
        loop {
            let imports = |module: &&String| self.modules[*module].keys().any(|to| left.contains(to));
            let imported = |module: &&String| left.iter().any(|from| self.modules[*from].contains_key(*module));
            let kept: BTreeSet<&String> = left.iter().copied().filter(|m| imports(m) && imported(m)).collect();
            if kept.len() == left.len() {
                break;
            }
            left = kept;
        }
        let arrows = |from: &&String| {
            let taken = self.modules[*from].iter().filter(|(to, _)| left.contains(to));
            taken.map(|(to, names)| format!("{from} -> {to}: {names:?}")).collect::<Vec<_>>()
        };
        left.iter().flat_map(arrows).collect()
    }
}

/// Collects the paths in a module that lead to other modules of its crate.
struct Finder<'a> {
    module: String,
    known: &'a BTreeSet<String>,
    taken: BTreeMap<String, BTreeSet<String>>,
}

impl Finder<'_> {
    fn take(&mut self, path: &[String]) {
        let own: Vec<String> = self.module.split("::").filter(|part| !part.is_empty()).map(str::to_string).collect();
        let supers = path.iter().take_while(|part| *part == "super").count();
        let (base, rest) = match path.first().map(String::as_str) {
            Some("crate") => (Vec::new(), &path[1..]),
            Some("self") => (own.clone(), &path[1..]),
            Some("super") if supers <= own.len() => (own[..own.len() - supers].to_vec(), &path[supers..]),
            // A child module can be named without a prefix.
            Some(first) if self.known.contains(&[own.clone(), vec![first.to_string()]].concat().join("::")) => {
                (own.clone(), path)
            }
            _ => return,
        };
        let full: Vec<String> = base.into_iter().chain(rest.iter().cloned()).collect();
        let module = (0..=full.len()).rev().map(|end| full[..end].join("::")).find(|name| self.known.contains(name));
        // A mod.rs may name the modules of its folder; that is not a cycle.
        let part = |module: &str| module.strip_prefix(&self.module).is_some_and(|rest| rest.starts_with("::"));
        if let Some(module) = module.filter(|module| *module != self.module && !part(module)) {
            self.taken.entry(module).or_default().insert(rest.last().cloned().unwrap_or_default());
        }
    }

    fn take_tree(&mut self, tree: &syn::UseTree, before: &[String]) {
        let with = |name: &syn::Ident| [before, &[name.to_string()]].concat();
        match tree {
            syn::UseTree::Path(path) => self.take_tree(&path.tree, &with(&path.ident)),
            syn::UseTree::Name(name) if name.ident == "self" => self.take(before),
            syn::UseTree::Name(name) => self.take(&with(&name.ident)),
            syn::UseTree::Rename(name) => self.take(&with(&name.ident)),
            syn::UseTree::Glob(_) => self.take(before),
            syn::UseTree::Group(group) => group.items.iter().for_each(|item| self.take_tree(item, before)),
        }
    }
}

fn is_for_tests(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute.meta.require_list().is_ok_and(|list| list.tokens.to_string().contains("test"))
    })
}

impl<'ast> Visit<'ast> for Finder<'_> {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        let attributes = match item {
            syn::Item::Mod(item) => &item.attrs,
            syn::Item::Fn(item) => &item.attrs,
            syn::Item::Use(item) => &item.attrs,
            _ => return visit::visit_item(self, item),
        };
        if !is_for_tests(attributes) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        // `pub use` only re-exports and does not count as an import.
        if !matches!(item.vis, syn::Visibility::Public(_)) {
            self.take_tree(&item.tree, &[]);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.segments.len() > 1 {
            self.take(&path.segments.iter().map(|segment| segment.ident.to_string()).collect::<Vec<_>>());
        }
        visit::visit_path(self, path);
    }
}

fn module_of(path: &Path) -> String {
    let mut parts: Vec<String> =
        path.with_extension("").components().map(|part| part.as_os_str().to_string_lossy().into_owned()).collect();
    if parts.last().is_some_and(|last| matches!(last.as_str(), "mod" | "lib" | "main")) {
        parts.pop();
    }
    parts.join("::")
}

fn rust_files(dir: &Path) -> Vec<PathBuf> {
    let files = walkdir::WalkDir::new(dir).sort_by_file_name().into_iter().flatten().map(|entry| entry.into_path());
    let files: Vec<PathBuf> =
        files.filter(|path| path.extension().is_some_and(|extension| extension == "rs")).collect();
    assert!(!files.is_empty(), "there are no sources in {}", dir.display());
    files
}

/// Fails with all offences.
fn none(what: &str, offences: &[String]) {
    assert!(offences.is_empty(), "{what}:\n{}", offences.join("\n"));
}

#[test]
fn imports_have_no_cycles() {
    let of = |name: &&str| {
        Imports::of(name).cycles().into_iter().map(|arrow| format!("{name}: {arrow}")).collect::<Vec<_>>()
    };
    none("import cycles", &CRATES.iter().flat_map(of).collect::<Vec<_>>());
}

#[test]
fn stages_import_from_earlier_stages_only() {
    let stage = |module: &str| STAGES.iter().position(|stage| module.split("::").next() == Some(stage));
    let mut offences = Vec::new();
    for (from, taken) in &Imports::of("harness").modules {
        for (to, names) in taken {
            if let (Some(first), Some(second)) = (stage(from), stage(to))
                && second > first
            {
                offences.push(format!("{from} -> {to}: {names:?}"));
            }
        }
    }
    none("imports against the direction of the pipeline", &offences);
}

/// Public types of the whole workspace, with the files that define them.
fn public_types() -> BTreeMap<String, Vec<String>> {
    let mut types: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for name in CRATES {
        for path in rust_files(&root().join(name).join("src")) {
            let source = fs::read_to_string(&path).expect("it is text");
            let file = path.strip_prefix(root()).expect("it is below").display().to_string();
            for item in syn::parse_file(&source).expect("it compiles").items {
                let (visibility, ident) = match &item {
                    syn::Item::Struct(item) => (&item.vis, &item.ident),
                    syn::Item::Enum(item) => (&item.vis, &item.ident),
                    syn::Item::Trait(item) => (&item.vis, &item.ident),
                    syn::Item::Type(item) => (&item.vis, &item.ident),
                    _ => continue,
                };
                if matches!(visibility, syn::Visibility::Public(_)) {
                    types.entry(ident.to_string()).or_default().push(file.clone());
                }
            }
        }
    }
    types
}

#[test]
fn names_of_public_types_are_unique() {
    let shared = public_types().into_iter().filter(|(_, files)| files.len() > 1);
    let shared: Vec<String> = shared.map(|(name, files)| format!("{name}: {}", files.join(", "))).collect();
    none("public types that share a name", &shared);
}

#[test]
fn files_stay_short_enough_to_read() {
    // A longer file says at its top why it is not split.
    let mut offences = Vec::new();
    for path in CRATES.iter().flat_map(|name| rust_files(&root().join(name))) {
        let text = fs::read_to_string(&path).expect("it is text");
        let reason = text.lines().take_while(|line| line.starts_with("//!")).any(|line| line.contains("Not split:"));
        if text.lines().count() > 400 && !reason {
            offences.push(format!("{}: {} lines", path.display(), text.lines().count()));
        }
    }
    none("split these, or say `Not split: why` in their first lines", &offences);
}

#[test]
fn folders_have_at_most_a_dozen_entries() {
    let mut offences = Vec::new();
    for name in ["harness/src", "xtask/src"] {
        for entry in walkdir::WalkDir::new(root().join(name)).into_iter().flatten() {
            if !entry.file_type().is_dir() || entry.file_name() == "snapshots" {
                continue;
            }
            // mod.rs does not count.
            let inside = fs::read_dir(entry.path()).expect("it can be listed").flatten();
            let inside = inside.filter(|inside| inside.file_name() != "mod.rs").count();
            if inside > 13 {
                offences.push(format!("{}: {inside} entries", entry.path().display()));
            }
        }
    }
    none("more than about a dozen entries in a folder", &offences);
}

#[test]
fn a_module_with_parts_is_a_folder_with_mod_rs() {
    let mut offences = Vec::new();
    for path in CRATES.iter().flat_map(|name| rust_files(&root().join(name).join("src"))) {
        if path.with_extension("").is_dir() {
            offences.push(path.display().to_string());
        }
    }
    none("move these to mod.rs in the folder beside them", &offences);
}
