//! Splits a C file in kernel style into functions, objects with an initialiser, and everything else.
//!
//! A function begins at column 0 and ends with a `}` at column 0, so unbalanced braces from conditional compilation inside a
//! function do not matter.

use std::ops::Range;

use super::c_tokens::{identifiers, masked};

/// A piece of a file. All pieces together are the whole file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// What it is.
    pub kind: ItemKind,
    /// Its range in bytes.
    pub range: Range<usize>,
    /// Its first line, counted from 1.
    pub line: usize,
}

/// What a piece of a file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ItemKind {
    /// A function that can have several versions.
    Function(Signature),
    /// A function whose name or parameters are unknown, such as one that a macro declares, or a variadic one.
    Opaque,
    /// A static structure with an initialiser.
    Object(Object),
    /// A declaration, or anything else that ends with a semicolon.
    Declaration,
    /// A directive of the preprocessor.
    Directive,
    /// Blank lines and comments.
    Blank,
}

/// The head of a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// Its name.
    pub name: String,
    /// Storage, attributes and type, up to the name.
    pub before: String,
    /// From the opening parenthesis up to the body.
    pub after: String,
    /// The names of its parameters.
    pub arguments: Vec<String>,
    /// Whether it returns void.
    pub void: bool,
}

impl Signature {
    /// Whether both have the same signature.
    pub fn is_like(&self, other: &Signature) -> bool {
        let words = |signature: &Signature| {
            let text = format!("{} {} {}", signature.before, signature.name, signature.after);
            text.split_whitespace().map(str::to_string).collect::<Vec<_>>()
        };
        words(self) == words(other)
    }
}

/// The head of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// Its name.
    pub name: String,
    /// Storage and type, up to the name.
    pub before: String,
}

impl Item {
    /// The name of a function or an object.
    pub fn name(&self) -> Option<&str> {
        match &self.kind {
            ItemKind::Function(signature) => Some(&signature.name),
            ItemKind::Object(object) => Some(&object.name),
            _ => None,
        }
    }

    /// Its text.
    pub fn text<'a>(&self, file: &'a str) -> &'a str {
        &file[self.range.clone()]
    }
}

/// Splits a file into pieces.
pub fn items(text: &str) -> Vec<Item> {
    let mask = masked(text);
    let lines = lines(&mask);
    let mut items: Vec<Item> = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        let (kind, count) = item(&mask, &lines[at..]);
        let range = lines[at].start..lines[at + count - 1].end;
        match items.last_mut() {
            Some(last) if last.kind == ItemKind::Blank && kind == ItemKind::Blank => last.range.end = range.end,
            _ => items.push(Item { kind, range, line: at + 1 }),
        }
        at += count;
    }
    items
}

/// The function that a line, counted from 1, is in.
pub fn function_at(items: &[Item], file: &str, line: usize) -> Option<usize> {
    let contains = |item: &Item| (item.line..item.line + item.text(file).lines().count()).contains(&line);
    items.iter().position(|item| matches!(item.kind, ItemKind::Function(_) | ItemKind::Opaque) && contains(item))
}

fn lines(mask: &str) -> Vec<Range<usize>> {
    let mut start = 0;
    let line = |line: &str| {
        let range = start..start + line.len();
        start = range.end;
        range
    };
    mask.split_inclusive('\n').map(line).collect()
}

/// The kind of the next piece, and how many lines it has.
fn item(mask: &str, lines: &[Range<usize>]) -> (ItemKind, usize) {
    let line = |index: usize| &mask[lines[index].clone()];
    if line(0).trim().is_empty() {
        return (ItemKind::Blank, 1);
    }
    if line(0).starts_with('#') {
        let continued = (0..lines.len()).take_while(|index| line(*index).trim_end().ends_with('\\')).count();
        return (ItemKind::Directive, (continued + 1).min(lines.len()));
    }
    let (mut depth, mut braces) = (0_i32, 0_i32);
    // The last character of code at depth 0, and the place of the first brace there.
    let mut before = ' ';
    let mut body: Option<usize> = None;
    let mut function = false;
    for index in 0..lines.len() {
        if index > 0 && line(index).starts_with('#') && !function {
            continue;
        }
        if function {
            if line(index).starts_with('}') {
                return (function_kind(&mask[lines[0].start..body.unwrap_or_default()]), index + 1);
            }
            continue;
        }
        for (offset, c) in line(index).char_indices() {
            match c {
                '(' | '[' => depth += 1,
                ')' | ']' => depth -= 1,
                '{' => {
                    if depth == 0 && braces == 0 && body.is_none() {
                        body = Some(lines[index].start + offset);
                        // `__acquires(lock)` and the like may stand between the parameters and the body.
                        function = before == ')' || (offset == 0 && before != '=');
                    }
                    braces += 1;
                }
                '}' => braces -= 1,
                ';' if depth <= 0 && braces <= 0 => {
                    let head = body.map(|body| &mask[lines[0].start..body]);
                    let kind = head.and_then(object).map_or(ItemKind::Declaration, ItemKind::Object);
                    return (kind, index + 1);
                }
                _ => {}
            }
            if !c.is_whitespace() && depth == 0 && braces == 0 {
                before = c;
            }
        }
        if function && braces == 0 {
            return (function_kind(&mask[lines[0].start..body.unwrap_or_default()]), index + 1);
        }
    }
    // It does not end, so its kind is unknown.
    (ItemKind::Declaration, lines.len())
}

fn function_kind(head: &str) -> ItemKind {
    signature(head).map_or(ItemKind::Opaque, ItemKind::Function)
}

/// Parses the text before a function body.
fn signature(head: &str) -> Option<Signature> {
    let open = head.find('(')?;
    let close = closing(head, open)?;
    let name = identifiers(&head[..open]).pop().filter(|name| head[name.end..open].trim().is_empty())?;
    let before = head[..name.start].trim();
    let words: Vec<&str> = identifiers(before).into_iter().map(|word| &before[word]).collect();
    let name = &head[name];
    // A macro that declares a function, such as SYSCALL_DEFINE, has no type before it and a name in capitals.
    if words.is_empty() || !name.contains(|c: char| c.is_ascii_lowercase()) || name == "__attribute__" {
        return None;
    }
    let rest = head[close + 1..].trim();
    if !rest.is_empty() && !rest.starts_with("__") {
        return None;
    }
    let void = words.contains(&"void") && !before.contains('*');
    let arguments = arguments(&head[open + 1..close])?;
    let after = head[open..].trim_end();
    Some(Signature { name: name.into(), before: before.into(), after: after.into(), arguments, void })
}

/// The parenthesis that closes the one at `open`.
fn closing(text: &str, open: usize) -> Option<usize> {
    let mut depth = 0;
    for (index, c) in text[open..].char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(open + index);
        }
    }
    None
}

fn arguments(parameters: &str) -> Option<Vec<String>> {
    let parameters = parameters.trim();
    if parameters.is_empty() || parameters == "void" {
        return Some(Vec::new());
    }
    let mut depth = 0;
    let commas = parameters.split(|c| {
        match c {
            '(' | '[' => depth += 1,
            ')' | ']' => depth -= 1,
            _ => {}
        }
        c == ',' && depth == 0
    });
    commas.map(argument).collect()
}

/// The name in `struct file *file`, `int array[4]` or `void (*call)(int)`. `None` if there is no name.
fn argument(parameter: &str) -> Option<String> {
    let declarator = match parameter.find("(*") {
        Some(pointer) => parameter[pointer..].split(')').next()?,
        None => parameter.split('[').next()?,
    };
    let words = identifiers(declarator);
    let last = words.last()?;
    let has_type = words.len() > 1 || parameter.contains("(*");
    (has_type && declarator[last.end..].trim().is_empty()).then(|| declarator[last.clone()].to_string())
}

/// Parses the text before an initialiser: `static const struct file_operations name =`.
fn object(head: &str) -> Option<Object> {
    let head = head.trim_end().strip_suffix('=')?.trim_end();
    let name = identifiers(head).pop().filter(|name| name.end == head.len())?;
    let before = head[..name.start].trim();
    let plain = before.starts_with("static") && !before.contains(['(', '*', ',']);
    plain.then(|| Object { name: head[name].into(), before: before.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "\
// SPDX-License-Identifier: GPL-2.0
#include <a.h>
#define TWO(a)\t\\
\tdo { \\
\t} while (0)

static int count;
static const struct ops plain_ops = {
\t.get = get,
};
static char *names[] = { \"a\" };
struct pair {
\tint a;
};

/* A comment with { in it */
static inline int one(void) { return 1; }
static struct file *two(struct file *file,
\t\t\t int array[2], int (*call)(int, char))
\t__must_hold(&lock)
{
#ifdef X
\tif (file) {
#else
\tif (!file) {
#endif
\t\treturn file;
\t}
\treturn NULL;
}
EXPORT_SYMBOL_NS_GPL(two, \"DMA_BUF\");

SYSCALL_DEFINE1(three, int, a)
{
\treturn a;
}

void four(const char *format, ...)
{
}
__poll_t five(struct file *file, poll_table *poll) {
\treturn 0;
}
";

    fn kinds() -> Vec<(Option<String>, usize)> {
        let items = items(FILE);
        let all: String = items.iter().map(|item| item.text(FILE)).collect();
        assert_eq!(all, FILE);
        let named = items
            .iter()
            .filter(|item| !matches!(item.kind, ItemKind::Blank | ItemKind::Directive | ItemKind::Declaration));
        named.map(|item| (item.name().map(str::to_string), item.line)).collect()
    }

    #[test]
    fn functions_and_objects_are_found() {
        let name = |name: &str| Some(name.to_string());
        let found = kinds();
        let wanted =
            [(name("plain_ops"), 8), (name("one"), 17), (name("two"), 18), (None, 33), (None, 38), (name("five"), 41)];
        assert_eq!(found, wanted);
    }

    #[test]
    fn signatures_are_parsed() {
        let items = items(FILE);
        let signature = |wanted: &str| {
            let mut signatures = items.iter().filter_map(|item| match &item.kind {
                ItemKind::Function(signature) => Some(signature),
                _ => None,
            });
            signatures.find(|signature| signature.name == wanted).unwrap()
        };
        assert_eq!(signature("two").arguments, ["file", "array", "call"]);
        assert_eq!(signature("two").before, "static struct file *");
        assert!(signature("two").after.ends_with("__must_hold(&lock)"));
        assert_eq!(signature("one").arguments, [""; 0]);
        assert!(!signature("five").void);
    }

    #[test]
    fn the_function_of_a_line_is_found() {
        let items = items(FILE);
        let name = |line| function_at(&items, FILE, line).and_then(|index| items[index].name());
        assert_eq!(name(24), Some("two"));
        assert_eq!(name(31), None);
        assert_eq!(name(17), Some("one"));
    }
}
