//! The changes of a mutant in a file, as pieces that can be compiled beside the original.

use std::collections::{BTreeMap, BTreeSet};

use super::c_file::{Item, ItemKind, items};
use super::c_tokens::{identifiers, masked, uncommented};

/// The changed pieces of one file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceChange {
    /// Changed functions and objects of the original, by name.
    pub changed: BTreeMap<String, Piece>,
    /// New pieces, each with the name of the original's piece that follows it.
    pub added: Vec<(Option<String>, Piece)>,
    /// New #include lines.
    pub includes: Vec<String>,
}

/// A function, an object or a declaration of a mutant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Its name.
    pub name: String,
    /// Its text.
    pub text: String,
    /// Its line in the mutant's file.
    pub line: usize,
}

impl SourceChange {
    /// Compares two versions of a file.
    ///
    /// # Errors
    /// Why the mutant cannot be compiled beside the original and needs its own kernel.
    pub fn between(original: &str, mutant: &str) -> Result<SourceChange, String> {
        let (old, new) = (items(original), items(mutant));
        let mut change = SourceChange::default();
        let twice = twice(&old);
        // A name that is defined twice, as with `#ifdef` and `#else`, must not change.
        let name = |item: &Item| item.name().filter(|name| !twice.contains(name)).map(str::to_string);
        let known: BTreeMap<String, &Item> = old.iter().filter_map(|item| Some((name(item)?, item))).collect();
        let plain = old.iter().filter(|item| name(item).is_none());
        let mut plain: Vec<String> = plain.map(|item| code(item, original)).collect();
        let mut waiting: Vec<Piece> = Vec::new();
        for item in &new {
            let piece = |name: &str| Piece { name: name.into(), text: item.text(mutant).into(), line: item.line };
            let (name, twin) = (name(item), name(item).and_then(|name| known.get(&name).copied()));
            match (name.as_deref(), twin) {
                (Some(name), Some(before)) if fits(before, item) => {
                    change.added.extend(waiting.drain(..).map(|piece| (Some(name.to_string()), piece)));
                    if before.text(original) != item.text(mutant) {
                        change.changed.insert(name.into(), piece(name));
                    }
                }
                // Other parameters or another type: this counts as a new function.
                (Some(name), _) => waiting.push(piece(name)),
                (None, _) => {
                    let code = code(item, mutant);
                    if code.is_empty() {
                        continue;
                    }
                    if let Some(index) = plain.iter().position(|known| *known == code) {
                        plain.swap_remove(index);
                    } else if code.starts_with("#include ") {
                        change.includes.push(code);
                    } else {
                        let name = declared(item, mutant)?;
                        // A new prototype of an existing function keeps its name.
                        let own = !is_prototype(&code) || !known.contains_key(name.as_str());
                        waiting.push(piece(if own { &name } else { "" }));
                    }
                }
            }
        }
        change.added.extend(waiting.into_iter().map(|piece| (None, piece)));
        // Removed prototypes do not matter: those of the original stay.
        if let Some(gone) = plain.iter().find(|code| !code.is_empty() && !is_prototype(code)) {
            return Err(format!("it changes `{}`", first_line(gone)));
        }
        for name in change.changed.keys() {
            if let ItemKind::Object(_) = known[name].kind {
                can_be_selected(name, &old, original)?;
            }
        }
        Ok(change)
    }

    /// Whether only blanks and comments between functions differ.
    pub fn is_empty(&self) -> bool {
        *self == SourceChange::default()
    }

    /// The changed function, if it is the only change.
    pub fn only(&self) -> Option<&Piece> {
        let alone = self.added.is_empty() && self.includes.is_empty() && self.changed.len() == 1;
        self.changed.values().next().filter(|_| alone)
    }
}

/// The names that a file has more than once.
fn twice(items: &[Item]) -> BTreeSet<&str> {
    let mut seen = BTreeSet::new();
    items.iter().filter_map(Item::name).filter(|name| !seen.insert(*name)).collect()
}

fn fits(before: &Item, after: &Item) -> bool {
    match (&before.kind, &after.kind) {
        (ItemKind::Function(before), ItemKind::Function(after)) => before.is_like(after),
        (ItemKind::Object(before), ItemKind::Object(after)) => before == after,
        _ => false,
    }
}

/// The code of a piece without comments and with single blanks.
fn code(item: &Item, file: &str) -> String {
    uncommented(item.text(file)).split_whitespace().collect::<Vec<_>>().join(" ")
}

fn is_prototype(code: &str) -> bool {
    code.ends_with(");") && !code.contains(['{', '=', '#'])
}

fn first_line(code: &str) -> String {
    code.chars().take(60).collect()
}

/// The name of a declaration that a mutant adds.
fn declared(item: &Item, file: &str) -> Result<String, String> {
    let code = code(item, file);
    let refused = || format!("it adds `{}`", first_line(&code));
    let mask = masked(item.text(file));
    let head = mask.split(['=', ';', '[']).next().unwrap_or_default();
    // `static int count;`, `static DEFINE_MUTEX(lock);` and prototypes.
    let declares = item.kind == ItemKind::Declaration && head.trim_start().starts_with("static");
    let words = identifiers(head);
    match (declares, head.find('(')) {
        (true, Some(open)) if is_prototype(&code) => {
            let before = words.iter().take_while(|word| word.end <= open).last();
            let macro_ = before.is_some_and(|word| !head[word.clone()].contains(|c: char| c.is_ascii_lowercase()));
            let name = if macro_ { words.iter().find(|word| word.start > open) } else { before };
            name.map(|name| head[name.clone()].to_string()).ok_or_else(refused)
        }
        (true, None) => words.last().map(|name| head[name.clone()].to_string()).ok_or_else(refused),
        _ => Err(refused()),
    }
}

/// Checks that an object is used only after its definition and inside functions, where a macro can replace it.
fn can_be_selected(name: &str, items: &[Item], file: &str) -> Result<(), String> {
    let mut defined = false;
    for item in items {
        let mask = masked(item.text(file));
        let uses: Vec<_> = identifiers(&mask).into_iter().filter(|word| &mask[word.clone()] == name).collect();
        let own = item.name() == Some(name);
        let member = |at: usize| mask[..at].ends_with('.') || mask[..at].ends_with("->");
        let plain = defined && matches!(item.kind, ItemKind::Function(_) | ItemKind::Opaque);
        if !own && !uses.is_empty() && (!plain || uses.iter().any(|word| member(word.start))) {
            return Err(format!("it changes {name}, which is used in a constant expression"));
        }
        defined |= own;
    }
    Ok(())
}
