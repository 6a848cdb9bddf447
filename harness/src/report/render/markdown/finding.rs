//! Findings in Markdown.

use std::fmt::Write;

use cases::clause;
use cases::protocol::CaseKey;

use super::{SHOWN, fence, span, spans, table_span};
use crate::host::style::cut;
use crate::report::matrix::findings::{MatrixFinding, named};

/// Characters of a sentence.
const SENTENCE: usize = 400;

/// A line for each finding.
pub(super) fn overview(out: &mut String, found: &[MatrixFinding], several: bool) {
    if found.is_empty() {
        return;
    }
    let on = |text: String| if several { format!(" {text} |") } else { String::new() };
    let _ = writeln!(out, "| finding | severity | clause | what is wrong | cases |{}", on("on".into()));
    let _ = writeln!(out, "| --- | --- | --- | --- | --- |{}", on("---".into()));
    for (index, one) in found.iter().take(SHOWN).enumerate() {
        let finding = &one.finding;
        let severity = finding.severity.words();
        let _ = write!(out, "| {} | **{severity}** | {} | ", index + 1, table_span(&finding.clause));
        let sentence = table_span(&cut(&finding.title, SENTENCE));
        let _ = writeln!(out, "{sentence} | {} |{}", finding.cases.len(), on(spans(&one.cells)));
    }
    if found.len() > SHOWN {
        let _ = writeln!(out, "\nand {} more findings", found.len() - SHOWN);
    }
    let _ = writeln!(out);
}

/// Each finding with its evidence.
pub(super) fn in_full(out: &mut String, found: &[MatrixFinding]) {
    for (index, one) in found.iter().take(SHOWN).enumerate() {
        let finding = &one.finding;
        let head = format!("#### {}. {}, {}", index + 1, span(&finding.clause), finding.severity.words());
        let _ = writeln!(out, "{head}\n\n{} on {}\n", span(&cut(&finding.title, SENTENCE)), spans(&one.cells));
        if let Some(clause) = clause::find(&finding.clause) {
            let _ = writeln!(out, "> {}\n", clause.claim);
        }
        if !finding.transcript.is_empty() {
            fence(out, "text", &finding.transcript.join("\n"));
        }
        if !finding.kernel_log.is_empty() {
            let _ = writeln!(out, "kernel log:\n");
            fence(out, "text", &finding.kernel_log.join("\n"));
        }
        let _ = writeln!(out, "cases: {}\n", cases(&finding.cases));
        for check in finding.also.iter().take(SHOWN) {
            let _ = writeln!(out, "- also: {}", span(&cut(check, SENTENCE)));
        }
        if !finding.also.is_empty() {
            let _ = writeln!(out);
        }
        if !one.again.is_empty() {
            fence(out, "sh", &one.again);
        }
        let follow_ups = &finding.follow_ups;
        if !follow_ups.is_empty() {
            let others = if follow_ups.len() == 1 { "violation" } else { "violations" };
            let _ = writeln!(out, "<details><summary>explains {} more {others}</summary>\n", follow_ups.len());
            for follow_up in follow_ups.iter().take(SHOWN) {
                let sentence = span(&cut(&follow_up.title, SENTENCE));
                let _ = writeln!(out, "- {} {sentence}: {}", span(&follow_up.clause), cases(&follow_up.cases));
            }
            let _ = writeln!(out, "\n</details>\n");
        }
    }
}

fn cases(keys: &[CaseKey]) -> String {
    let (names, more) = named(keys);
    let names: Vec<String> = names.into_iter().map(span).collect();
    if more == 0 { names.join(", ") } else { format!("{} and {more} more", names.join(", ")) }
}
