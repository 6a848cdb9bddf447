//! The suite as a table: which case judges which clause, on which exporter, and with which judgement.

use std::fmt::Write;

use crate::clause::CLAUSES;
use crate::exporter::Exporter;
use crate::need::Need;
use crate::suite::CASES;

/// The table in Markdown, in the order of the contract. `suite` is the path of the cases' sources, relative to the
/// page that contains the table.
pub fn table(suite: &str) -> String {
    let exporters = Exporter::ALL.iter().map(|exporter| exporter.name()).collect::<Vec<_>>();
    let mut text = format!("| clause | case | judgement | {} | without the patch |\n", exporters.join(" | "));
    text.push_str(&format!("|---|---|---|{}---|\n", ":-:|".repeat(exporters.len())));
    for clause in CLAUSES {
        let mut cases = CASES.iter().filter(|case| case.clause == clause.id).peekable();
        if cases.peek().is_none() {
            let _ = writeln!(text, "| {} | | |{} |", clause.id, " |".repeat(exporters.len()));
        }
        for case in cases {
            for variant in case.variants {
                let exporters = case.exporters_of(variant);
                let marks = Exporter::ALL.iter().map(|exporter| if exporters.contains(exporter) { "●" } else { "" });
                let marks: Vec<&str> = marks.collect();
                let _ = writeln!(
                    text,
                    "| {} | [{}]({suite}/{}.rs) | {} | {} | {} |",
                    clause.id,
                    case.name(variant),
                    case.id(),
                    case.judgement.name(),
                    marks.join(" | "),
                    before_the_patch(&case.needs_of(variant))
                );
            }
        }
    }
    text
}

fn before_the_patch(needs: &[Need]) -> &'static str {
    match needs {
        needs if needs.contains(&Need::NoDerive) => "only there",
        needs if needs.contains(&Need::Derive) || needs.contains(&Need::DeriveDefined) => "",
        _ => "●",
    }
}
