//! Colours, or none, and lines that fit.

use std::io::IsTerminal;

use crate::colour;

/// Whether to colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Text only.
    Plain,
    /// ANSI colours.
    Colour,
}

impl Style {
    /// For standard output.
    pub fn detect() -> Self {
        if colour::wanted(std::io::stdout().is_terminal()) { Style::Colour } else { Style::Plain }
    }

    fn paint(self, code: &str, text: &str) -> String {
        match self {
            Style::Plain => text.to_string(),
            Style::Colour => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
        }
    }

    /// What is as it should be.
    pub fn good(self, text: &str) -> String {
        self.paint("32", text)
    }

    /// What is not.
    pub fn bad(self, text: &str) -> String {
        self.paint("1;31", text)
    }

    /// What somebody should look at.
    pub fn notable(self, text: &str) -> String {
        self.paint("33", text)
    }

    /// What is said beside.
    pub fn faint(self, text: &str) -> String {
        self.paint("2", text)
    }

    /// What is the subject.
    pub fn strong(self, text: &str) -> String {
        self.paint("1", text)
    }
}

/// Console text comes from a kernel that may be out of its mind: no escape sequence of it reaches the terminal.
pub fn printable(line: &str) -> String {
    line.chars().map(|c| if c.is_control() && c != '\t' { '\u{fffd}' } else { c }).collect()
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
