//! Renderings of a [`crate::report::run_report::RunReport`], and of a [`crate::report::matrix::Matrix`] of them.

pub mod github;
pub mod html;
pub mod junit;
pub mod ktap;
pub mod markdown;
pub mod matrix;
pub mod terminal;

/// Whether a character would break a line or a document of other programs: control characters, and the separators of lines and
/// paragraphs, at which Python, JavaScript and others begin a new line.
fn is_unprintable(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{fffe}' | '\u{ffff}')
}
