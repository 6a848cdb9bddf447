//! Suggestions for a misspelt name.

/// At most three names that are similar to the wanted one, the best first.
pub fn similar_names<'a>(wanted: &str, names: &[&'a str]) -> Vec<&'a str> {
    let score = |name: &str| {
        let starts = name.starts_with(wanted) || (wanted.starts_with(name) && !name.is_empty());
        strsim::jaro_winkler(wanted, name) + if starts { 1.0 } else { 0.0 }
    };
    let mut scored: Vec<(f64, &str)> = names.iter().map(|name| (score(name), *name)).collect();
    scored.retain(|(score, _)| *score > 0.7);
    scored.sort_by(|(left, _), (right, _)| right.total_cmp(left));
    scored.into_iter().take(3).map(|(_, name)| name).collect()
}
