//! Many mutants in one file: each version of a function beside the others, and one that calls the version that was chosen
//! when the kernel was started.
//!
//! A function `f` becomes `f__m0`; the version of mutant 7 is `f__m7`; and `f` asks `dmabuf_mutant`. All that belongs to
//! the name stays with `f`: its prototype, its export, its place in tables. Every version says by `#line` where it would
//! be in its own file, so warnings of the kernel name the same lines as ever, and the same code compiles to the same
//! instructions. A structure is chosen in the same way, through a pointer.

use std::fmt::Write as _;

use super::c_file::{Item, ItemKind, Object, Signature, items};
use super::change::{Piece, SourceChange};
use super::masked::{identifiers, masked, renamed};

/// The word on the kernel's command line, and the variable it sets.
pub const CHOSEN: &str = "dmabuf_mutant";
/// Where the variable is defined.
pub const CHOOSER: &str = "drivers/dma-buf/mutant.c";
/// What has to be in the Makefile beside it.
pub const CHOOSER_RULE: &str = "obj-y += mutant.o\n";

/// The file that defines the variable.
pub const CHOOSER_TEXT: &str = "\
// SPDX-License-Identifier: GPL-2.0
/* Chooses which of the mutants in this kernel runs; 0 is the code as its series has it. */
#include <linux/cache.h>
#include <linux/init.h>
#include <linux/kernel.h>
#include <linux/printk.h>

extern int dmabuf_mutant;
int dmabuf_mutant __ro_after_init;

static int __init dmabuf_mutant_setup(char *text)
{
	int error = kstrtoint(text, 10, &dmabuf_mutant);

	/* Who started this kernel has to know that it is the one that was meant. */
	pr_notice(\"dmabuf_mutant: %d\\n\", dmabuf_mutant);
	return error;
}
early_param(\"dmabuf_mutant\", dmabuf_mutant_setup);
";

/// What the kernel says when mutant `number` is the one that runs.
pub fn said(number: usize) -> String {
    format!("{CHOSEN}: {number}")
}

/// The name of one version.
pub fn version(name: &str, number: usize) -> String {
    format!("{name}__m{number}")
}

/// The name that belongs to a version, and its number.
pub fn of_version(version: &str) -> Option<(&str, usize)> {
    let (name, number) = version.rsplit_once("__m")?;
    Some((name, number.parse().ok()?))
}

/// Weaves mutants, each with its number, into a file.
pub fn weave(original: &str, mutants: &[(usize, SourceChange)]) -> String {
    // At the top, where no condition can hide it.
    let mut out = format!("extern int {CHOSEN};\n#line 1\n");
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
            // A version may call its name.
            let _ = writeln!(out, "{before} {name}{after};");
        }
        for (number, line, text) in pieces {
            let _ = writeln!(out, "#line {line}");
            out.push_str(&one(item, &text, number));
        }
        out.push_str(&choice(item, &numbers));
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
    // Only a mutant that runs calls it, and some only under a condition of the configuration.
    out.push_str(&text);
    if !text.ends_with('\n') {
        out.push('\n');
    }
}

/// The text of a piece of a mutant, with what the mutant adds under names that nobody else uses.
fn own_names(piece: &Piece, number: usize, change: &SourceChange) -> String {
    let added = |name: &str| change.added.iter().any(|(_, piece)| piece.name == name);
    renamed(&piece.text, |name| added(name).then(|| version(name, number)))
}

/// One version under its own name.
fn one(item: &Item, text: &str, number: usize) -> String {
    let mask = masked(text);
    let name = item.name().unwrap_or_default();
    let Some(place) = identifiers(&mask).into_iter().find(|word| &mask[word.clone()] == name) else {
        return text.into();
    };
    let (head, rest) = (&text[..place.start], &text[place.end..]);
    let own = version(name, number);
    match item.kind {
        // Neither inlined nor merged with another: each version is a function that one can look at.
        ItemKind::Function(_) => {
            let head = renamed(head, |word| STORAGE.contains(&word).then(String::new));
            format!("static __attribute__((__noipa__)) {}{own}{rest}", head.trim_start())
        }
        _ => format!("{head}{own}{rest}"),
    }
}

/// What a version has in its own way.
const STORAGE: [&str; 5] = ["static", "inline", "__always_inline", "__inline__", "noinline"];

/// What has the name: it passes on to the version that was chosen.
fn choice(item: &Item, numbers: &[usize]) -> String {
    match &item.kind {
        ItemKind::Function(signature) => calls(signature, numbers),
        ItemKind::Object(object) => pointer(object, numbers),
        _ => String::new(),
    }
}

fn calls(signature: &Signature, numbers: &[usize]) -> String {
    let Signature { name, before, after, arguments, void } = signature;
    let arguments = arguments.join(", ");
    let mut out = format!("{before} {name}{after}\n{{\n\tswitch ({CHOSEN}) {{\n");
    for (label, number) in labels(numbers) {
        let call = format!("{}({arguments});", version(name, number));
        let _ = match void {
            true => writeln!(out, "\t{label}\n\t\t{call}\n\t\treturn;"),
            false => writeln!(out, "\t{label}\n\t\treturn {call}"),
        };
    }
    out + "\t}\n}\n"
}

fn pointer(object: &Object, numbers: &[usize]) -> String {
    let Object { name, before } = object;
    let mut out = format!("{before} *{name}__chosen(void)\n{{\n\tswitch ({CHOSEN}) {{\n");
    for (label, number) in labels(numbers) {
        let _ = writeln!(out, "\t{label}\n\t\treturn &{};", version(name, number));
    }
    out + &format!("\t}}\n}}\n#define {name} (*{name}__chosen())\n")
}

fn labels(numbers: &[usize]) -> impl Iterator<Item = (String, usize)> {
    let cases = numbers.iter().map(|number| (format!("case {number}:"), *number));
    cases.chain(std::iter::once(("default:".to_string(), 0)))
}
