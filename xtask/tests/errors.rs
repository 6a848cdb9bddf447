//! Tests that docs/errors.md matches the sources, and that every error says what to do. `UPDATE=1 cargo test -p xtask --test
//! errors` writes the page.

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use common::root;
use harness::error::ErrorKind;
use syn::visit::{self, Visit};

/// Errors without advice beside the title: file, start of the title, and where the advice is or why there is none.
const ELSEWHERE: &[(&str, &str, &str)] = &[
    ("harness/src/error.rs", "", "the error of a library; its caller gives the title"),
    ("harness/src/patch/checked.rs", "{} {how}", "the title names what the patch may not do"),
    ("harness/src/patch/rejected.rs", "{} does not apply", "each way in which it does not apply has its own advice"),
    ("harness/src/host/process/mod.rs", "", "the error of a program; its caller gives the title"),
    ("harness/src/patch/series/range.rs", "the range {name} of {location} {how}", "each error has its own advice"),
    ("harness/src/patch/series/thread/mod.rs", "{what} {how}", "each error has its own advice"),
    (
        "harness/src/host/store/mod.rs",
        "no place for the cache",
        "Set XDG_CACHE_HOME to a directory with 6 GB of free space.",
    ),
];

/// An error in the sources.
struct MadeError {
    file: String,
    kind: String,
    title: String,
    remedy: Option<String>,
}

/// Finds `Error::new(..)` with the methods that are called on it, outside of tests.
#[derive(Default)]
struct Finder {
    found: Vec<(String, String, Option<String>)>,
    remedies: Vec<Option<String>>,
}

impl<'ast> Visit<'ast> for Finder {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        let test = item.attrs.iter().any(|attribute| attribute.path().is_ident("cfg"));
        if !test {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        let remedy =
            (call.method == "next" && !call.args.is_empty()).then(|| call.args.first().map(text).unwrap_or_default());
        let known = self.remedies.last().cloned().flatten();
        self.remedies.push(remedy.or(known));
        self.visit_expr(&call.receiver);
        self.remedies.pop();
        // An error in an argument is another error.
        self.remedies.push(None);
        call.args.iter().for_each(|argument| self.visit_expr(argument));
        self.remedies.pop();
    }

    fn visit_expr_call(&mut self, call: &'ast syn::ExprCall) {
        let syn::Expr::Path(path) = &*call.func else { return visit::visit_expr_call(self, call) };
        let names: Vec<String> = path.path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if names.ends_with(&["Error".into(), "new".into()]) && call.args.len() == 2 {
            let kind = text(&call.args[0]);
            self.found.push((kind, text(&call.args[1]), self.remedies.last().cloned().flatten()));
        }
        self.remedies.push(None);
        visit::visit_expr_call(self, call);
        self.remedies.pop();
    }
}

/// The first string in an expression, or the name of a constant.
fn text(expression: &syn::Expr) -> String {
    match expression {
        syn::Expr::Lit(literal) => match &literal.lit {
            syn::Lit::Str(text) => text.value(),
            _ => String::new(),
        },
        syn::Expr::Macro(call) => call
            .mac
            .parse_body_with(syn::punctuated::Punctuated::<syn::Expr, syn::Token![,]>::parse_terminated)
            .ok()
            .and_then(|arguments| arguments.first().map(text))
            .unwrap_or_default(),
        syn::Expr::Path(path) => {
            let name = path.path.segments.last().map(|segment| segment.ident.to_string()).unwrap_or_default();
            if path.path.segments.len() > 1 { name } else { String::new() }
        }
        _ => String::new(),
    }
}

fn made() -> Vec<MadeError> {
    let mut all = Vec::new();
    for directory in ["harness/src", "mutants/src", "xtask/src"] {
        for entry in walkdir::WalkDir::new(root().join(directory)).sort_by_file_name().into_iter().flatten() {
            let path = entry.path();
            let name = path.strip_prefix(root()).expect("it is below").display().to_string();
            if path.extension().is_none_or(|extension| extension != "rs") || name.contains("tests") {
                continue;
            }
            let source = fs::read_to_string(path).expect("it is text");
            let mut finder = Finder::default();
            finder.visit_file(&syn::parse_file(&source).expect("it compiles"));
            all.extend(finder.found.into_iter().map(|(kind, title, remedy)| MadeError {
                file: name.clone(),
                kind,
                title,
                remedy,
            }));
        }
    }
    all
}

fn elsewhere(error: &MadeError) -> Option<&'static str> {
    let known = |(file, title, _): &&(&str, &str, &str)| {
        error.file == *file && error.title.starts_with(title) && title.is_empty() == error.title.is_empty()
    };
    ELSEWHERE.iter().find(known).map(|(_, _, why)| *why)
}

#[test]
fn every_error_says_what_to_do() {
    let all = made();
    assert!(all.len() > 100, "only {} errors were found", all.len());
    // error.rs adds the advice for internal errors.
    let without = all.iter().filter(|error| error.remedy.is_none() && error.kind != "Internal");
    let offences: Vec<String> = without
        .filter(|error| elsewhere(error).is_none())
        .map(|error| format!("{}: {} {:?}", error.file, error.kind, error.title))
        .collect();
    assert!(offences.is_empty(), "say what to do with .next(..), or why not in this test:\n{}", offences.join("\n"));
    let unused = ELSEWHERE.iter().filter(|(file, title, _)| {
        !all.iter().any(|error| error.remedy.is_none() && error.file == *file && error.title.starts_with(title))
    });
    assert_eq!(unused.count(), 0, "an entry of ELSEWHERE is not needed");
}

#[test]
fn the_page_of_errors_matches_the_sources() {
    let path = root().join("docs/errors.md");
    let wanted = page();
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, &wanted).expect("the page can be written");
    }
    let page = fs::read_to_string(Path::new(&path)).unwrap_or_default();
    assert!(page == wanted, "docs/errors.md: `UPDATE=1 cargo test -p xtask --test errors` writes it");
}

fn page() -> String {
    let kinds = [
        ("Usage", ErrorKind::Usage, "The command line, or a file that it names, is wrong."),
        ("Host", ErrorKind::Host, "Something is wrong with this machine: tools, disk, cache."),
        ("Source", ErrorKind::Source, "The kernel source cannot be fetched, or is not a kernel tree."),
        ("Kconfig", ErrorKind::Kconfig, "An option of the kernel did not survive configuration."),
        ("Patch", ErrorKind::Patch, "The series is wrong, or does not fit this kernel."),
        ("Build", ErrorKind::Build, "The kernel or the guest program does not compile."),
        ("Interrupt", ErrorKind::Interrupt, "The program was interrupted."),
        ("Internal", ErrorKind::Internal, "A bug in the suite: please report it."),
    ];
    let mut out = String::from(
        "# Errors\n\nGenerated from the sources by `UPDATE=1 cargo test -p xtask --test errors`. The title of an error starts with \
         its kind.\nThen come the cause and what to do. Verdicts about a kernel are not errors: see [triage.md](triage.md).\n\n\
         Text in braces is filled in. Errors of files and programs (no permission, a full disk, the output of a tool) can come from \
         anywhere\nand are not listed.\n",
    );
    let mut by_kind: BTreeMap<String, Vec<MadeError>> = BTreeMap::new();
    for error in made().into_iter().filter(|error| !error.title.is_empty()) {
        by_kind.entry(error.kind.clone()).or_default().push(error);
    }
    for (name, kind, meaning) in kinds {
        out += &format!("\n## {}: exit code {}\n\n{meaning}\n\n", kind.word(), kind.exit_code().number());
        let Some(errors) = by_kind.get(name) else { continue };
        out += "| title | what to do | in |\n|---|---|---|\n";
        for error in errors {
            let remedy = match (&error.remedy, elsewhere(error)) {
                (Some(remedy), _) if !remedy.is_empty() => remedy.clone(),
                (Some(_), _) => "depends on the cause".into(),
                (None, Some(why)) => why.into(),
                (None, None) => "report it".into(),
            };
            out += &format!("| {} | {} | `{}` |\n", cell(&error.title), cell(&remedy), error.file);
        }
    }
    out
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ").replace('<', "&lt;")
}
