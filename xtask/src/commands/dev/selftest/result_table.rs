//! The result of a fault case, and the table of all.

use std::fmt::Write;

use harness::host::style::Style;
use serde::Serialize;

/// Version of the JSON form.
const SCHEMA: u32 = 1;

/// The result of one fault case.
#[derive(Debug, Serialize)]
pub struct FaultRow {
    /// Its name.
    pub name: &'static str,
    /// What happens in it.
    pub claim: String,
    /// The expected verdict.
    pub expected: &'static str,
    /// The actual verdict.
    pub verdict: String,
    /// The exit code that `cargo xtask test` would have.
    pub exit_code: Option<u8>,
    /// Time from the start of the case, or of QEMU if there was no case, until the verdict was known.
    pub seconds: Option<f64>,
    /// What the report says, on one line.
    pub says: String,
    /// Differences from the expectation; empty if there are none.
    pub wrong: Vec<String>,
}

#[derive(Serialize)]
struct Table<'a> {
    schema: u32,
    seconds: f64,
    endings: &'a [FaultRow],
}

/// All rows for programs.
///
/// # Errors
/// When they cannot be encoded.
pub fn json(rows: &[FaultRow], seconds: f64) -> serde_json::Result<String> {
    serde_json::to_string_pretty(&Table { schema: SCHEMA, seconds, endings: rows })
}

/// All rows for people.
pub fn table(rows: &[FaultRow], seconds: f64, style: Style) -> String {
    let mut out = String::new();
    let _ = writeln!(
        out,
        "{}",
        style.strong(&format!("     {:<30} {:<7} {:>4} {:>7}  says", "fault case", "verdict", "exit", "seconds"))
    );
    for row in rows {
        let mark = if row.wrong.is_empty() { style.good("ok  ") } else { style.bad("MISS") };
        let exit = row.exit_code.map_or("-".into(), |code| code.to_string());
        let seconds = row.seconds.map_or("-".into(), |seconds| format!("{seconds:.1}"));
        let says: String = row.says.chars().take(150).collect();
        let _ = writeln!(out, "{mark} {:<30} {:<7} {exit:>4} {seconds:>7}  {says}", row.name, row.verdict);
        for wrong in &row.wrong {
            let _ = writeln!(out, "     {} {wrong}", style.bad("but"));
        }
    }
    let missed = rows.iter().filter(|row| !row.wrong.is_empty()).count();
    let closing = match missed {
        0 => style.good(&format!("all {} fault cases were detected", rows.len())),
        _ => style.bad(&format!("{missed} of {} fault cases did not have the expected result", rows.len())),
    };
    let _ = writeln!(out, "\n{closing}, {seconds:.0} s");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(wrong: &[&str]) -> FaultRow {
        FaultRow {
            name: "panic",
            claim: "panic() in the kernel.".into(),
            expected: "FAIL",
            verdict: "FAIL".into(),
            exit_code: Some(10),
            seconds: Some(0.5),
            says: "the kernel complained: Kernel panic".into(),
            wrong: wrong.iter().map(ToString::to_string).collect(),
        }
    }

    #[test]
    fn a_missed_row_says_why() {
        insta::assert_snapshot!(table(&[row(&[]), row(&["the report does not name the case"])], 2.0, Style::Plain), @r"
             fault case                     verdict exit seconds  says
        ok   panic                          FAIL      10     0.5  the kernel complained: Kernel panic
        MISS panic                          FAIL      10     0.5  the kernel complained: Kernel panic
             but the report does not name the case

        1 of 2 fault cases did not have the expected result, 2 s
        ");
    }
}
