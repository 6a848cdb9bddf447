//! Colours, or none, and lines that fit.

use anstream::stream::RawStream;
use anstream::{AutoStream, ColorChoice};

pub use cases::style::{Style, printable};

/// For standard output.
pub fn detect() -> Style {
    if coloured(&std::io::stdout()) { Style::Colour } else { Style::Plain }
}

/// Whether to colour what goes to a stream: as [`ColorChoice::write_global`] was told, else as the terminal, NO_COLOR, CLICOLOR
/// and CLICOLOR_FORCE say.
pub fn coloured(stream: &impl RawStream) -> bool {
    AutoStream::choice(stream) != ColorChoice::Never
}

/// Columns that a report keeps to where it can.
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
}
