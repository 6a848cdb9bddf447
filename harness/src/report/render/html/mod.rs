//! One self-contained page for a matrix. It needs no network, and fits a mail or a phone.
//!
//! Text from a kernel or a guest is never markup: the template escapes it, or it is passed as JSON and the page's script
//! inserts it as text. A content security policy allows only that script.

mod colour;
mod details;
mod finding;
mod page;
mod series;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use minijinja::{AutoEscape, Environment, context};
use sha2::{Digest, Sha256};

use crate::error::{Context, ErrorKind, Result};
use crate::report::matrix::Matrix;

use page::Page;

/// The name of the file in the directory of a run.
pub const NAME: &str = "report.html";

const TEMPLATE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// Renders a matrix, of one cell or many.
///
/// # Errors
/// [`ErrorKind::Internal`] when the template does not fit the data.
pub fn render(matrix: &Matrix) -> Result<String> {
    let (page, details) = Page::of(matrix);
    let data = serde_json::to_string(&details).context(ErrorKind::Internal, || "encoding the page".into())?;
    // In JSON, `<` occurs only in strings. Escaped, it cannot end the script element.
    let data = data.replace('<', "\\u003c");
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.set_trim_blocks(true);
    environment.set_lstrip_blocks(true);
    let template =
        environment.template_from_str(TEMPLATE).context(ErrorKind::Internal, || "the page's template".into())?;
    template
        .render(context! {
            page, data, style => STYLE, script => SCRIPT, style_hash => hash(STYLE), script_hash => hash(SCRIPT),
        })
        .context(ErrorKind::Internal, || "filling in the page".into())
}

/// As a content security policy names it.
fn hash(text: &str) -> String {
    STANDARD.encode(Sha256::digest(text))
}

#[cfg(test)]
mod tests;
