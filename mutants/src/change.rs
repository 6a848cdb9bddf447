//! What a mutant changes in a file, in pieces that can stand beside the original.

use std::collections::{BTreeMap, BTreeSet};

use super::c_file::{Item, ItemKind, items};
use super::masked::{identifiers, masked, uncommented};

/// The changed pieces of one file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceChange {
    /// Other versions of functions and objects that the original has, by name.
    pub changed: BTreeMap<String, Piece>,
    /// What the original does not have, each with the name of the piece of the original that it comes before.
    pub added: Vec<(Option<String>, Piece)>,
    /// Headers that the original does not include.
    pub includes: Vec<String>,
}

/// A function, an object or a declaration of a mutant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Its name.
    pub name: String,
    /// Its text.
    pub text: String,
    /// The line of the mutant's file it is at.
    pub line: usize,
}

impl SourceChange {
    /// Compares two versions of a file.
    ///
    /// # Errors
    /// A sentence that says what cannot stand beside the original, so that the mutant needs a kernel of its own.
    pub fn between(original: &str, mutant: &str) -> Result<SourceChange, String> {
        let (old, new) = (items(original), items(mutant));
        let mut change = SourceChange::default();
        let twice = twice(&old);
        // What has its name twice, as behind `#ifdef` and `#else`, is compared as a whole and never changed.
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
                // Other parameters, or another type: a function of the mutant's own.
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
                        // An earlier prototype of what the original has declares just that.
                        let own = !is_prototype(&code) || !known.contains_key(name.as_str());
                        waiting.push(piece(if own { &name } else { "" }));
                    }
                }
            }
        }
        change.added.extend(waiting.into_iter().map(|piece| (None, piece)));
        // Prototypes may go: the original's own stay where they are.
        if let Some(gone) = plain.iter().find(|code| !code.is_empty() && !is_prototype(code)) {
            return Err(format!("it changes `{}`", first_line(gone)));
        }
        for name in change.changed.keys() {
            if let ItemKind::Object(_) = known[name].kind {
                may_be_chosen(name, &old, original)?;
            }
        }
        Ok(change)
    }

    /// Whether nothing is different but blanks and comments between functions.
    pub fn is_empty(&self) -> bool {
        *self == SourceChange::default()
    }

    /// The function that makes up the whole change, if there is just one.
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

/// The code of a piece, without comments and layout.
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

/// Whether an object is only used where a pointer to another one does as well: inside of functions, and after it.
fn may_be_chosen(name: &str, items: &[Item], file: &str) -> Result<(), String> {
    let mut defined = false;
    for item in items {
        let mask = masked(item.text(file));
        let uses: Vec<_> = identifiers(&mask).into_iter().filter(|word| &mask[word.clone()] == name).collect();
        let own = item.name() == Some(name);
        let member = |at: usize| mask[..at].ends_with('.') || mask[..at].ends_with("->");
        let plain = defined && matches!(item.kind, ItemKind::Function(_) | ItemKind::Opaque);
        if !own && !uses.is_empty() && (!plain || uses.iter().any(|word| member(word.start))) {
            return Err(format!("it changes {name}, which is needed where only a constant will do"));
        }
        defined |= own;
    }
    Ok(())
}
