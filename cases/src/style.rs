//! Colours for reports and for cases run by hand, and removal of control characters from kernel text.

/// Whether to use colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Text only.
    Plain,
    /// ANSI colours.
    Colour,
}

impl Style {
    fn paint(self, code: &str, text: &str) -> String {
        match self {
            Style::Plain => text.to_string(),
            Style::Colour => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
        }
    }

    /// For good results.
    pub fn good(self, text: &str) -> String {
        self.paint("32", text)
    }

    /// For bad results.
    pub fn bad(self, text: &str) -> String {
        self.paint("1;31", text)
    }

    /// For results worth a look.
    pub fn notable(self, text: &str) -> String {
        self.paint("33", text)
    }

    /// For secondary text.
    pub fn faint(self, text: &str) -> String {
        self.paint("2", text)
    }

    /// For headings.
    pub fn strong(self, text: &str) -> String {
        self.paint("1", text)
    }
}

/// Console text may come from a corrupted kernel: no escape sequence in it may reach the terminal.
pub fn printable(line: &str) -> String {
    line.chars().map(|c| if c.is_control() && c != '\t' { '\u{fffd}' } else { c }).collect()
}
