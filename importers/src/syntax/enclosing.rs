//! The function around a place, from the text alone: braces that conditional compilation leaves unbalanced make tree-sitter
//! take several functions for one.

use super::is_word;

/// Begins of functions, in the order of the text. Kernel code begins functions, and nothing else with a body, in column 0.
pub struct FunctionHeads(Vec<(usize, String)>);

impl FunctionHeads {
    /// Of a file without comments and strings.
    pub fn of(text: &str) -> Self {
        let mut start = 0;
        let mut heads = Vec::new();
        for line in text.split_inclusive('\n') {
            let begins = line.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
            if begins
                && !line.trim_end().ends_with(';')
                && let Some(name) = name(line)
            {
                heads.push((start, name.to_string()));
            }
            start += line.len();
        }
        FunctionHeads(heads)
    }

    /// The function that begins last before a byte; an empty text if there is none.
    pub fn before(&self, byte: usize) -> String {
        let next = self.0.partition_point(|(start, _)| *start <= byte);
        next.checked_sub(1).map_or(String::new(), |index| self.0[index].1.clone())
    }
}

/// The word before the first parenthesis that does not belong to an attribute such as `__printf(1, 2)`.
fn name(line: &str) -> Option<&str> {
    let words = line.match_indices('(').map(|(open, _)| {
        let before = line[..open].trim_end();
        before.rsplit(|c| !is_word(c)).next().unwrap_or_default()
    });
    let mut words = words.filter(|word| !word.is_empty());
    let first = words.next()?;
    let attribute = ["__printf", "__scanf", "__aligned", "__section", "__attribute__"].contains(&first);
    if attribute { words.next() } else { Some(first) }
}
