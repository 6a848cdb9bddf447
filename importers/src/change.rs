//! What differs between two lists of places. Lines do not matter: they move with every patch.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::site::{CallSite, keys};

/// The differences.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PlaceChanges {
    /// Only in the second list.
    pub new: Vec<CallSite>,
    /// Only in the first.
    pub gone: Vec<CallSite>,
    /// In both, with another direction or detail.
    pub changed: Vec<ChangedPlace>,
}

/// A place that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ChangedPlace {
    /// In the first list.
    pub before: CallSite,
    /// In the second.
    pub after: CallSite,
}

impl PlaceChanges {
    /// From one list to another.
    pub fn between(before: &[CallSite], after: &[CallSite]) -> Self {
        let mut known: BTreeMap<_, &CallSite> = keys(before).into_iter().zip(before).collect();
        let mut changes = PlaceChanges::default();
        for (key, place) in keys(after).into_iter().zip(after) {
            match known.remove(&key) {
                None => changes.new.push(place.clone()),
                Some(old) if !old.is_like(place) => {
                    changes.changed.push(ChangedPlace { before: old.clone(), after: place.clone() });
                }
                Some(_) => {}
            }
        }
        changes.gone = known.into_values().cloned().collect();
        changes
    }

    /// Whether both lists have the same places.
    pub fn is_empty(&self) -> bool {
        self.new.is_empty() && self.gone.is_empty() && self.changed.is_empty()
    }
}

impl ChangedPlace {
    /// What is different: `to-device (DMA_TO_DEVICE) -> bidirectional (DMA_BIDIRECTIONAL)`.
    pub fn in_words(&self) -> String {
        let of = |place: &CallSite| match (place.direction, place.detail.as_str()) {
            (None, "") => "-".to_string(),
            (None, detail) => detail.to_string(),
            (Some(direction), "") => direction.to_string(),
            (Some(direction), detail) => format!("{direction} ({detail})"),
        };
        format!("{} -> {}", of(&self.before), of(&self.after))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::direction::DmaDirection;
    use crate::site::SiteKind;

    fn map(function: &str, line: usize, direction: DmaDirection) -> CallSite {
        CallSite {
            kind: SiteKind::Map,
            what: "dma_buf_map_attachment".into(),
            file: "drivers/x/y.c".into(),
            function: function.into(),
            line,
            direction: Some(direction),
            detail: String::new(),
        }
    }

    #[test]
    fn new_gone_and_changed_places_are_told_apart_and_lines_do_not_matter() {
        let before = [
            map("a", 1, DmaDirection::ToDevice),
            map("b", 5, DmaDirection::ToDevice),
            map("c", 9, DmaDirection::ToDevice),
        ];
        let after = [
            map("a", 3, DmaDirection::ToDevice),
            map("b", 7, DmaDirection::Bidirectional),
            map("d", 9, DmaDirection::ToDevice),
        ];
        let changes = PlaceChanges::between(&before, &after);
        let names = |places: &[CallSite]| places.iter().map(|place| place.function.clone()).collect::<Vec<_>>();
        assert_eq!((names(&changes.new), names(&changes.gone)), (vec!["d".to_string()], vec!["c".to_string()]));
        let changed: Vec<String> = changes.changed.iter().map(ChangedPlace::in_words).collect();
        assert_eq!(changed, ["to-device -> bidirectional"]);
        assert!(PlaceChanges::between(&before, &before).is_empty() && !changes.is_empty());
    }

    #[test]
    fn a_second_call_in_a_function_is_new() {
        let once = [map("a", 1, DmaDirection::ToDevice)];
        let twice = [map("a", 1, DmaDirection::ToDevice), map("a", 2, DmaDirection::ToDevice)];
        assert_eq!(PlaceChanges::between(&once, &twice).new.len(), 1);
    }
}
