//! Mutant schemata, as the literature calls them: combines many mutants in one file. The file has all versions of a function,
//! and a dispatcher that calls the version selected at boot.
//!
//! A function `f` becomes `f__m0`; the version of mutant 7 is `f__m7`; the new `f` calls the version that `dmabuf_mutant=7` selects,
//! and keeps the prototype, the export and the place in tables. `dmabuf_mutant=7,31` selects two, which must not change the same
//! function. `#line` gives each version the line numbers of its own file, so
//! that warnings name the usual lines, and the same code compiles to the same instructions. Structures are selected through a
//! pointer.

use std::fmt::Write as _;

use super::c_file::{Item, ItemKind, Object, Signature, items};
use super::c_tokens::{identifiers, masked, renamed};
use super::change::{Piece, SourceChange};

/// The parameter on the kernel's command line, and the array that it sets: not 0 for each mutant that is selected.
pub const CHOSEN: &str = "dmabuf_mutant";
/// The file that defines the variable.
pub const CHOOSER: &str = "drivers/dma-buf/mutant.c";
/// The line for the Makefile beside it.
pub const CHOOSER_RULE: &str = "obj-y += mutant.o\n";

/// Its text.
pub const CHOOSER_TEXT: &str = "\
// SPDX-License-Identifier: GPL-2.0
/* Selects the mutants that run; none or 0 is the code of the series. */
#include <linux/cache.h>
#include <linux/errno.h>
#include <linux/init.h>
#include <linux/kernel.h>
#include <linux/printk.h>
#include <linux/string.h>

extern char dmabuf_mutant[];
char dmabuf_mutant[4096] __ro_after_init;

static int __init dmabuf_mutant_setup(char *text)
{
	char *rest = text;
	int number, found;

	do {
		found = get_option(&rest, &number);
		if (!found || number < 0 || number >= ARRAY_SIZE(dmabuf_mutant))
			return -EINVAL;
		dmabuf_mutant[number] = 1;
	} while (found == 2);

	/* The host checks this line. */
	pr_notice(\"dmabuf_mutant: %s\\n\", text);
	return 0;
}
early_param(\"dmabuf_mutant\", dmabuf_mutant_setup);
";

/// The value of the parameter that selects these mutants. Without any it selects the code of the series.
pub fn selection(numbers: &[usize]) -> String {
    match numbers {
        [] => "0".into(),
        _ => numbers.iter().map(usize::to_string).collect::<Vec<_>>().join(","),
    }
}

/// The line that the kernel prints when these mutants run.
pub fn log_line(numbers: &[usize]) -> String {
    format!("{CHOSEN}: {}", selection(numbers))
}

/// The name of a version.
pub fn version(name: &str, number: usize) -> String {
    format!("{name}__m{number}")
}

/// The original name of a version, and its number.
pub fn of_version(version: &str) -> Option<(&str, usize)> {
    let (name, number) = version.rsplit_once("__m")?;
    Some((name, number.parse().ok()?))
}

/// Combines a file with mutants and their numbers.
pub fn weave(original: &str, mutants: &[(usize, SourceChange)]) -> String {
    // At the top, outside of any #ifdef.
    let mut out = format!("extern char {CHOSEN}[];\n#line 1\n");
    let mut included = false;
    let items = items(original);
    for item in &items {
        let text = item.text(original);
        let mut moved = false;
        for (number, change) in mutants {
            let own = change.added.iter().filter(|(before, _)| before.as_deref() == item.name() && before.is_some());
            for (_, piece) in own {
                add(&mut out, piece, *number, change);
                moved = true;
            }
        }
        let versions: Vec<_> = mutants
            .iter()
            .filter_map(|(number, change)| Some((*number, change, change.changed.get(item.name()?)?)))
            .collect();
        if versions.is_empty() {
            if moved {
                let _ = writeln!(out, "#line {}", item.line);
            }
            out.push_str(text);
            if !included && item.kind == ItemKind::Directive && text.starts_with("#include") {
                included = true;
                includes(&mut out, mutants);
                let _ = writeln!(out, "#line {}", item.line + 1);
            }
            continue;
        }
        let numbers: Vec<usize> = versions.iter().map(|(number, ..)| *number).collect();
        let mut pieces = vec![(0, item.line, text.to_string())];
        pieces.extend(
            versions.iter().map(|(number, change, piece)| (*number, piece.line, own_names(piece, *number, change))),
        );
        if let ItemKind::Function(Signature { name, before, after, .. }) = &item.kind {
            // A recursive version calls the dispatcher.
            let _ = writeln!(out, "{before} {name}{after};");
        }
        for (number, line, text) in pieces {
            let _ = writeln!(out, "#line {line}");
            out.push_str(&one(item, &text, number));
        }
        out.push_str(&dispatcher(item, &numbers));
        let _ = writeln!(out, "#line {}", item.line + text.lines().count());
    }
    for (number, change) in mutants {
        for (_, piece) in change.added.iter().filter(|(before, _)| before.is_none()) {
            add(&mut out, piece, *number, change);
        }
    }
    out
}

fn includes(out: &mut String, mutants: &[(usize, SourceChange)]) {
    let mut lines: Vec<&String> = mutants.iter().flat_map(|(_, change)| &change.includes).collect();
    lines.sort();
    lines.dedup();
    lines.iter().for_each(|line| out.extend([line.as_str(), "\n"]));
}

fn add(out: &mut String, piece: &Piece, number: usize, change: &SourceChange) {
    let _ = writeln!(out, "#line {}", piece.line);
    let text = own_names(piece, number, change);
    out.push_str(&text);
    if !text.ends_with('\n') {
        out.push('\n');
    }
}

/// The text of a piece, with unique names for what the mutant adds.
fn own_names(piece: &Piece, number: usize, change: &SourceChange) -> String {
    let added = |name: &str| change.added.iter().any(|(_, piece)| piece.name == name);
    renamed(&piece.text, |name| added(name).then(|| version(name, number)))
}

/// One version, renamed.
fn one(item: &Item, text: &str, number: usize) -> String {
    let mask = masked(text);
    let name = item.name().unwrap_or_default();
    let Some(place) = identifiers(&mask).into_iter().find(|word| &mask[word.clone()] == name) else {
        return text.into();
    };
    let (head, rest) = (&text[..place.start], &text[place.end..]);
    let own = version(name, number);
    match item.kind {
        // noipa: versions must not be inlined or merged, so that their code can be compared.
        ItemKind::Function(_) => {
            let head = renamed(head, |word| STORAGE.contains(&word).then(String::new));
            format!("static __attribute__((__noipa__)) {}{own}{rest}", head.trim_start())
        }
        _ => format!("{head}{own}{rest}"),
    }
}

/// Specifiers that a version does not keep.
const STORAGE: [&str; 5] = ["static", "inline", "__always_inline", "__inline__", "noinline"];

/// The definition under the original name, which selects the version.
fn dispatcher(item: &Item, numbers: &[usize]) -> String {
    match &item.kind {
        ItemKind::Function(signature) => calls(signature, numbers),
        ItemKind::Object(object) => pointer(object, numbers),
        _ => String::new(),
    }
}

fn calls(signature: &Signature, numbers: &[usize]) -> String {
    let Signature { name, before, after, arguments, void } = signature;
    let arguments = arguments.join(", ");
    let mut out = format!("{before} {name}{after}\n{{\n");
    for (condition, number) in selections(numbers) {
        let call = format!("{}({arguments});", version(name, number));
        let _ = match void {
            true => writeln!(out, "\t{condition}{{ {call} return; }}"),
            false => writeln!(out, "\t{condition}return {call}"),
        };
    }
    out + "}\n"
}

fn pointer(object: &Object, numbers: &[usize]) -> String {
    let Object { name, before } = object;
    let mut out = format!("{before} *{name}__chosen(void)\n{{\n");
    for (condition, number) in selections(numbers) {
        let _ = writeln!(out, "\t{condition}return &{};", version(name, number));
    }
    out + &format!("}}\n#define {name} (*{name}__chosen())\n")
}

/// The condition for each version, that of the original last.
fn selections(numbers: &[usize]) -> impl Iterator<Item = (String, usize)> {
    let selected = numbers.iter().map(|number| (format!("if ({CHOSEN}[{number}]) "), *number));
    selected.chain(std::iter::once((String::new(), 0)))
}
