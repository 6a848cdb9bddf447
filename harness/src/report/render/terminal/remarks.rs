//! What a reader should know besides the verdicts.

use std::fmt::Write as _;

use super::{declared, wrap};
use crate::host::style::Style;
use crate::report::run_report::RunReport;

/// What only was recorded, what the series declares, and what was not checked.
pub(super) fn render(out: &mut String, report: &RunReport, style: Style) {
    let recorded = report.recorded();
    if !recorded.is_empty() {
        let text = format!(
            "{}: no clause says what these have to see, and it is not what the reviewed kernels do (--all shows it)",
            recorded.join(", ")
        );
        let _ = writeln!(out, "{} {}", style.notable("different:"), wrap(&text, "           "));
    }
    declared::render(out, report, style);
    if let Some(why) = report.without_lock_order() {
        let _ = writeln!(out, "{} {}", style.notable("not checked:"), wrap(&why, "             "));
    }
}
