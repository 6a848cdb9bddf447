//! One ending as it came out, and the table of all.

use std::fmt::Write;

use harness::host::style::Style;
use serde::Serialize;

/// Version of the JSON form.
const SCHEMA: u32 = 1;

/// One ending as it came out.
#[derive(Debug, Serialize)]
pub struct FaultRow {
    /// Its name.
    pub name: &'static str,
    /// What it is.
    pub claim: String,
    /// The verdict that it has to lead to.
    pub expected: &'static str,
    /// The verdict that it led to.
    pub verdict: String,
    /// The exit code that `cargo xtask test` would end with.
    pub exit_code: Option<u8>,
    /// From the start of the case, or of QEMU where there was no case, until it was known.
    pub seconds: Option<f64>,
    /// One line of what the report says.
    pub says: String,
    /// Why it does not count as noticed; empty when it does.
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
        style.strong(&format!("     {:<30} {:<7} {:>4} {:>7}  says", "ending", "verdict", "exit", "seconds"))
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
        0 => style.good(&format!("every one of {} endings was noticed", rows.len())),
        _ => style.bad(&format!("{missed} of {} endings did not come out as they have to", rows.len())),
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
    fn a_row_that_was_missed_says_why() {
        insta::assert_snapshot!(table(&[row(&[]), row(&["the report does not name the case"])], 2.0, Style::Plain), @r"
             ending                         verdict exit seconds  says
        ok   panic                          FAIL      10     0.5  the kernel complained: Kernel panic
        MISS panic                          FAIL      10     0.5  the kernel complained: Kernel panic
             but the report does not name the case

        1 of 2 endings did not come out as they have to, 2 s
        ");
    }
}
