//! From a parsed file to its places.

use crate::direction::DmaDirection;
use crate::queue::queues;
use crate::site::{CallSite, SiteKind};
use crate::syntax::{Position, SourceFile, is_off};
use crate::vocabulary::{CORE, LAYERS, Layer, Use};

/// The places of a file, in the order of lines. `path` is relative to the tree.
pub fn places(path: &str, file: &SourceFile) -> Vec<CallSite> {
    let mut places = core_calls(path, file);
    for layer in LAYERS.iter().filter(|layer| layer.concerns(path)) {
        places.extend(layer.uses.iter().flat_map(|used| users(path, file, layer, *used)));
    }
    places.extend(queues(path, file));
    places.sort_by(|a, b| (a.line, a.kind, &a.what).cmp(&(b.line, b.kind, &b.what)));
    // An identifier can stand in two lists, as `DRM_GEM_SHMEM_DRIVER_OPS` does in a nested initialiser.
    places.dedup();
    places
}

fn core_calls(path: &str, file: &SourceFile) -> Vec<CallSite> {
    let mut places = Vec::new();
    for call in &file.calls {
        let Some((_, kind)) = CORE.iter().find(|(name, _)| *name == call.name) else { continue };
        let direction = matches!(kind, SiteKind::Map | SiteKind::Cpu).then(|| call.arguments.last()).flatten();
        places.push(CallSite {
            direction: direction.map(|argument| DmaDirection::of_argument(argument)),
            detail: direction.cloned().unwrap_or_default(),
            ..place(*kind, &call.name, path, &call.at)
        });
    }
    places
}

/// The places where a file uses a layer in one way.
fn users(path: &str, file: &SourceFile, layer: &Layer, used: Use) -> Vec<CallSite> {
    let with = |what: &str, at: &Position, detail: &str| CallSite {
        detail: detail.to_string(),
        ..place(layer.kind, what, path, at)
    };
    match used {
        Use::Call(_) => {
            let calls = file.calls.iter().filter(|call| used.names(&call.name));
            calls.map(|call| with(&call.name, &call.at, "")).collect()
        }
        Use::Field(_) => {
            let fields = file.fields.iter().filter(|field| used.names(&field.name) && field.value != "NULL");
            fields.map(|field| with(&format!(".{}", field.name), &field.at, &field.value)).collect()
        }
        Use::Macro(_) => {
            let macros = file.macros.iter().filter(|name| used.names(&name.name));
            macros.map(|name| with(&name.name, &name.at, "")).collect()
        }
        Use::Set(_) => {
            let sets = file.assignments.iter().filter(|set| used.names(&set.field) && !is_off(&set.value));
            sets.map(|set| with(&set.field, &set.at, &set.value)).collect()
        }
        Use::Constant(_) => {
            let names = file.constants.iter().filter(|name| used.names(&name.name));
            names.map(|name| with(&name.name, &name.at, "")).collect()
        }
    }
}

fn place(kind: SiteKind, what: &str, path: &str, at: &Position) -> CallSite {
    CallSite {
        kind,
        what: what.to_string(),
        file: path.to_string(),
        function: at.within.clone(),
        line: at.line,
        direction: None,
        detail: String::new(),
    }
}

#[cfg(test)]
mod tests;
