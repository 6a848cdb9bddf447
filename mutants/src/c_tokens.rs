//! Blanks out comments, strings and characters in C code, byte for byte.

use std::ops::Range;

/// The text with blanks for comments and the contents of literals. Offsets and lines do not change.
pub fn masked(text: &str) -> String {
    blanked(text, true)
}

/// The text with blanks for comments only.
pub fn uncommented(text: &str) -> String {
    blanked(text, false)
}

fn blanked(text: &str, literals: bool) -> String {
    let bytes = text.as_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = match &bytes[at..] {
            [b'/', b'*', ..] => find(bytes, at + 2, b"*/"),
            [b'/', b'/', ..] => bytes[at..].iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |end| at + end),
            [quote @ (b'"' | b'\''), ..] => {
                let end = literal(bytes, at, *quote);
                if literals {
                    blank(&mut out[at + 1..end.saturating_sub(1).max(at + 1)]);
                }
                at = end;
                continue;
            }
            _ => {
                at += 1;
                continue;
            }
        };
        blank(&mut out[at..end]);
        at = end;
    }
    // Only whole comments and literals were replaced by ASCII blanks, so this is still UTF-8.
    String::from_utf8_lossy(&out).into_owned()
}

fn blank(bytes: &mut [u8]) {
    bytes.iter_mut().filter(|byte| **byte != b'\n').for_each(|byte| *byte = b' ');
}

/// The end of the next occurrence, or of the text.
fn find(bytes: &[u8], from: usize, what: &[u8]) -> usize {
    let rest = bytes.get(from..).unwrap_or_default();
    rest.windows(what.len()).position(|window| window == what).map_or(bytes.len(), |found| from + found + what.len())
}

/// The end of a literal. One that is not closed ends with its line.
fn literal(bytes: &[u8], from: usize, quote: u8) -> usize {
    let mut at = from + 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'\\' => at += 1,
            b'\n' => return at,
            byte if *byte == quote => return at + 1,
            _ => {}
        }
        at += 1;
    }
    bytes.len()
}

/// The ranges of the identifiers of a masked text, in order.
pub fn identifiers(masked: &str) -> Vec<Range<usize>> {
    let part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let bytes = masked.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let len = bytes[at..].iter().take_while(|byte| part(**byte)).count();
        if len > 0 && !bytes[at].is_ascii_digit() {
            found.push(at..at + len);
        }
        at += len.max(1);
    }
    found
}

/// Renames identifiers, except members (`x.name`, `x->name`), designators (`.name =`) and the tags of types (`struct name`).
pub fn renamed(text: &str, rename: impl Fn(&str) -> Option<String>) -> String {
    let mask = masked(text);
    let mut out = String::new();
    let mut done = 0;
    for range in identifiers(&mask) {
        let before = mask[..range.start].trim_end();
        let member = (before.ends_with('.') && !before.ends_with("...")) || before.ends_with("->");
        // Functions of the uAPI are often called like the structure that they take.
        let word = before.rsplit(|c: char| !c.is_ascii_alphanumeric() && c != '_').next();
        if member || matches!(word, Some("struct" | "union" | "enum")) {
            continue;
        }
        if let Some(name) = rename(&mask[range.clone()]) {
            out.push_str(&text[done..range.start]);
            out.push_str(&name);
            done = range.end;
        }
    }
    out + &text[done..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_become_blanks() {
        let text = "a /* } \n ü */ b = \"{ \\\" // \"; c = '}'; // {\nd";
        let mask = masked(text);
        assert_eq!(mask.len(), text.len());
        assert!(!mask.contains(['{', '}', 'ü']), "{mask}");
        assert_eq!(mask.lines().count(), text.lines().count());
        let words: Vec<&str> = identifiers(&mask).into_iter().map(|range| &mask[range]).collect();
        assert_eq!(words, ["a", "b", "c", "d"]);
        assert_eq!(uncommented("a(\"/*\") /* b */;"), "a(\"/*\")        ;");
    }

    #[test]
    fn members_tags_and_strings_keep_their_names() {
        let to = |name: &str| (name == "f").then(|| "g".to_string());
        assert_eq!(renamed("f(struct f f, mystruct f)", to), "g(struct f g, mystruct g)");
        assert_eq!(renamed("f(x.f, x->f, \"f\", ff) /* f */ + f", to), "g(x.f, x->f, \"f\", ff) /* f */ + g");
    }
}
