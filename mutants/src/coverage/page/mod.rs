//! The HTML page: every file with its counts, and the added lines marked. Self-contained, without scripts.

use minijinja::{AutoEscape, Environment, context};
use serde::Serialize;

use super::added::Added;
use super::summary::{Sources, rows};
use super::uncovered::{Source, UncoveredList};
use super::{Coverage, Share};
use harness::error::{Context, ErrorKind, Result};

const TEMPLATE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");

#[derive(Serialize)]
struct File<'a> {
    path: &'a str,
    cells: Vec<String>,
    lines: Vec<Line<'a>>,
}

#[derive(Serialize)]
struct Line<'a> {
    number: usize,
    text: &'a str,
    /// `None` for a line without code.
    count: Option<u64>,
    tone: &'static str,
    added: bool,
    /// Taken branches, such as `1/2`, if one was not taken.
    branches: String,
    reason: &'a str,
}

/// Renders the page. `title` says what was run on which kernel, `remarks` what is missing.
///
/// # Errors
/// [`ErrorKind::Internal`] when the template does not match the data.
pub fn render(
    title: &str,
    coverage: &Coverage,
    sources: &Sources,
    added: &Added,
    uncovered: &UncoveredList,
    remarks: &[String],
) -> Result<String> {
    let rows = rows(coverage, sources, added);
    let mut files = Vec::new();
    for (path, counts) in &coverage.files {
        let text = sources.0.get(path).map_or("", String::as_str);
        let source = Source::new(text);
        let is_added = |line: usize| added.get(path).is_some_and(|lines| lines.contains(&line));
        let lines = text.lines().enumerate().map(|(index, text)| {
            let number = index + 1;
            let count = counts.count(number);
            let places = counts.lines.get(&number).map_or(&[][..], Vec::as_slice);
            let ways = Share::of(places.iter().flat_map(|place| &place.branches).map(|taken| *taken > 0));
            let missed = count == Some(0);
            Line {
                number,
                text,
                count,
                tone: match count {
                    None => "",
                    Some(0) => "bad",
                    Some(_) if ways.hit < ways.of => "note",
                    Some(_) => "good",
                },
                added: is_added(number),
                branches: if ways.hit < ways.of { format!("{}/{}", ways.hit, ways.of) } else { String::new() },
                reason: if missed {
                    uncovered.reason(path, &source, number, is_added(number)).unwrap_or_default()
                } else {
                    ""
                },
            }
        });
        let lines = lines.collect();
        let row = rows.get(path).copied().unwrap_or_default();
        let cells = [row.lines, row.branches, row.functions, row.added].map(cell).to_vec();
        files.push(File { path, cells, lines });
    }
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.set_trim_blocks(true);
    environment.set_lstrip_blocks(true);
    let template =
        environment.template_from_str(TEMPLATE).context(ErrorKind::Internal, || "the page's template".into())?;
    let filled = template.render(context! { title, files, remarks, style => STYLE });
    filled.context(ErrorKind::Internal, || "rendering the page".into())
}

fn cell(share: Share) -> String {
    share.percent().map_or("-".into(), |percent| format!("{percent:.1} % ({} of {})", share.hit, share.of))
}
