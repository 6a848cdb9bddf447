//! Colours, or none, and text that a terminal survives: for reports and for who runs cases by hand.

/// Whether to colour.
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
