//! Colours, line breaking, and short forms of long texts.

use anstream::stream::RawStream;
use anstream::{AutoStream, ColorChoice};

pub use cases::style::{Style, printable};

/// The style for standard output.
pub fn detect() -> Style {
    if coloured(&std::io::stdout()) { Style::Colour } else { Style::Plain }
}

/// Whether to use colours on a stream. [`ColorChoice::write_global`] decides if it was called, otherwise the terminal,
/// NO_COLOR, CLICOLOR and CLICOLOR_FORCE.
pub fn coloured(stream: &impl RawStream) -> bool {
    AutoStream::choice(stream) != ColorChoice::Never
}

/// Width of a report, in columns.
const WIDTH: usize = 110;

/// Breaks a text into lines of at most 110 columns; all but the first start with `indent`. Words are never broken.
pub fn wrap(text: &str, indent: &str) -> String {
    let mut out = String::new();
    let mut column = indent.len();
    for word in text.split_whitespace() {
        if column + 1 + word.len() > WIDTH && !out.is_empty() {
            out.push('\n');
            out.push_str(indent);
            column = indent.len();
        } else if !out.is_empty() {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += word.len();
    }
    out
}

/// The first `length` characters of a text, with ` ...` after them if there were more.
pub fn cut(text: &str, length: usize) -> String {
    match text.char_indices().nth(length) {
        Some((end, _)) => format!("{} ...", &text[..end]),
        None => text.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_fit_and_nothing_is_lost() {
        let text = "word ".repeat(60);
        let wrapped = wrap(&text, "    ");
        assert!(wrapped.lines().all(|line| line.len() <= WIDTH), "{wrapped}");
        assert_eq!(wrapped.split_whitespace().count(), 60);
        assert!(wrapped.lines().skip(1).all(|line| line.starts_with("    word")));
    }

    #[test]
    fn a_cut_is_between_characters_and_shows() {
        assert_eq!((cut("üben", 4), cut("üben", 1)), ("üben".into(), "ü ...".into()));
    }
}
