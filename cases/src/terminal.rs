//! Records as text, for cases run by hand. No other module of this crate prints.

use std::io::IsTerminal;

use crate::lines;
use crate::protocol::{Leak, Outcome, Record};
use crate::style::{Style, printable};

/// Colours on a terminal, unless NO_COLOR is set and not empty (no-color.org).
pub fn detect() -> Style {
    let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    if std::io::stdout().is_terminal() && !unwanted { Style::Colour } else { Style::Plain }
}

/// A record as text, and whether the line stays open for the result of a call. `open`: whether the previous line is
/// open.
pub fn text(record: &Record, open: bool, style: Style) -> Option<(String, bool)> {
    let line = match record {
        Record::Begin { case, .. } => format!("\n{}", lines::case(case.name(), case.exporter())),
        // Printed before the call is made, so that a call that never returns is known.
        Record::Call { text } => return Some((started(&lines::call(text), open), true)),
        Record::Return { text } if open => lines::result(text),
        Record::Return { text } => format!("{:<59}{}", "       ...", lines::result(text)),
        Record::Check { sentence, holds, detail, .. } => {
            let line = lines::check(sentence, *holds, detail);
            if *holds { line } else { style.bad(&line) }
        }
        Record::Hazard { sentence, present } => {
            let line = lines::hazard(sentence, *present);
            if *present { line } else { style.notable(&line) }
        }
        Record::Note { text } => lines::note(text),
        Record::Complaint { line, .. } => style.bad(&format!("kernel complains: {}", printable(line))),
        Record::End { outcome, ms, .. } => ended(outcome, *ms, style),
        Record::Leak(leak) => style.bad(&lost(leak)),
        Record::Searched { doubt: Some(why) } => style.notable(&format!("no search for leaked memory: {why}")),
        Record::Stop { reason, .. } => style.bad(&format!("\nstopped: {reason}")),
        _ => return None,
    };
    let joined = matches!(record, Record::Return { .. }) && open;
    Some((if joined { line } else { started(&line, open) } + "\n", false))
}

/// A new line, after closing an open one.
fn started(line: &str, open: bool) -> String {
    if open { format!("\n{line}") } else { line.to_string() }
}

fn ended(outcome: &Outcome, ms: u64, style: Style) -> String {
    let end = |word: &str| lines::end(word);
    let line = match outcome {
        Outcome::Pass => style.good(&end("pass")),
        Outcome::Fail => style.bad(&end("fail")),
        Outcome::Skip { need, why } => style.notable(&end(&format!("skip: needs {need}: {why}"))),
        Outcome::Broken { why } => style.bad(&end(&format!("broken: {why}"))),
        Outcome::Killed { signal } => style.bad(&end(&format!("killed by {signal}"))),
        Outcome::TimedOut => style.bad(&end("timed out")),
        Outcome::Leaked { what } => style.bad(&end(&format!("leaked: {}", printable(what)))),
    };
    format!("{line} ({ms} ms)")
}

fn lost(leak: &Leak) -> String {
    let Leak { case, objects, size, comm, frames } = leak;
    let whose = case.as_ref().map_or("the time before the first case".to_string(), ToString::to_string);
    let by: Vec<&str> = frames.iter().take(4).map(String::as_str).collect();
    format!("memory leak: {objects} objects of {size} bytes, allocated by {comm} during {whose}: {}", by.join(" < "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::CaseKey;

    fn shown(records: &[Record]) -> String {
        let (mut all, mut open) = (String::new(), false);
        for record in records {
            if let Some((text, still)) = text(record, open, Style::Plain) {
                all += &text;
                open = still;
            }
        }
        all
    }

    fn complaint() -> Record {
        Record::Complaint { number: 1, us: 2, line: "BUG: KASAN: \u{1b}[2Jx".into() }
    }

    #[test]
    fn a_case_looks_as_in_a_report() {
        let case = CaseKey::new("rights/table", "udmabuf");
        let text = shown(&[
            Record::Begin { case: case.clone(), limit_ms: 9 },
            Record::Call { text: "derive(primary, O_RDONLY)".into() },
            Record::Return { text: "alias".into() },
            Record::Check { sentence: "derive succeeds".into(), holds: true, detail: String::new(), clause: None },
            Record::End { case, outcome: Outcome::Pass, ms: 3 },
        ]);
        let lines: Vec<&str> = text.lines().collect();
        let call = format!("call   {:<52} = alias", "derive(primary, O_RDONLY)");
        let check = format!("check  {:<52}   ok", "derive succeeds");
        assert_eq!(lines, ["", "case   rights/table   exporter udmabuf", &call, &check, "end    pass (3 ms)"]);
    }

    #[test]
    fn a_complaint_between_a_call_and_its_result_has_its_own_line() {
        let call = || Record::Call { text: "close(alias)".into() };
        let text = shown(&[call(), complaint(), Record::Return { text: "ok".into() }, call()]);
        let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
        assert_eq!(lines[0], "call   close(alias)");
        assert_eq!(lines[1], "kernel complains: BUG: KASAN: \u{fffd}[2Jx");
        assert!(lines[2].ends_with("= ok"), "{lines:?}");
        assert_eq!(lines[3], "call   close(alias)");
        let cut = shown(&[call(), Record::Stop { reason: "a hang".into(), stuck: true }]);
        assert_eq!(cut.lines().map(str::trim_end).collect::<Vec<_>>(), ["call   close(alias)", "", "stopped: a hang"]);
    }
}
