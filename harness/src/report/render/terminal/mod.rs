//! The report for a terminal. A run without failures fits on one screen. A failure is shown with its clause, the transcript
//! around the failed line, and the kernel log.

mod declared;
pub mod finding;
mod remarks;
mod rounds;

use std::collections::BTreeMap;
use std::fmt::Write;

use cases::clause;
use cases::suite;

use crate::exit_code::ExitCode;
use crate::host::style::{Style, printable, wrap};
use crate::judge::complaint::{Complaint, is_noise};
use crate::judge::transcript::{CaseRun, TranscriptStep, step_text};
use crate::judge::verdict::{CaseVerdict, Verdict};
use crate::report::matrix::problems;
use crate::report::run_report::{RunReport, tally};

/// Number of transcript lines shown around a failure.
const CONTEXT: usize = 6;
/// Maximum number of lines shown of a kernel complaint.
const SPLAT: usize = 14;
/// Maximum number of lines shown about the tasks of a hung guest.
const TASKS: usize = 8;
/// Maximum number of failures shown in full; the others get one line each.
const IN_FULL: usize = 5;

/// Renders a report: findings first, then cases that are not as expected and belong to no finding. With `all`, every case
/// that is not as expected is shown.
pub fn render(report: &RunReport, style: Style, all: bool, repeat: impl Fn(&CaseVerdict) -> String) -> String {
    let mut out = String::new();
    heading(&mut out, report, style);
    areas(&mut out, report, style);
    elsewhere(&mut out, report, style);
    finding::render(&mut out, report, style, &repeat);
    let found = |verdict: &&CaseVerdict| !all && report.is_in_a_finding(&verdict.key);
    let bad: Vec<&CaseVerdict> = report.verdicts.iter().filter(|verdict| is_bad(verdict) && !found(verdict)).collect();
    for verdict in bad.iter().take(IN_FULL) {
        problem(&mut out, verdict, style, &repeat(verdict));
    }
    if bad.len() > IN_FULL {
        let _ = writeln!(out, "\nand {} more:", bad.len() - IN_FULL);
        for verdict in &bad[IN_FULL..] {
            let _ = writeln!(out, "  {:<8} {:<7} {}", verdict.verdict.word(), verdict.clause, verdict.key);
        }
    }
    known(&mut out, report, style);
    unrun(&mut out, report, style);
    let complaints =
        report.verdicts.iter().flat_map(|verdict| verdict.complaints.iter().map(|found| (&verdict.key, found)));
    for (key, complaint) in complaints {
        if let Some(reason) = &complaint.suppressed {
            let title = printable(&complaint.title);
            let _ = writeln!(out, "\n{} in {key}: {title}\n  because {reason}", style.notable("allowed complaint"));
        }
    }
    for error in &report.protocol_errors {
        let _ = writeln!(out, "\n{} {error}", style.bad("protocol error:"));
    }
    closing(&mut out, report, style);
    out
}

/// Whether this case needs attention.
fn is_bad(verdict: &CaseVerdict) -> bool {
    !verdict.verdict.is_as_expected() && !verdict.verdict.is_unrun()
}

fn heading(out: &mut String, report: &RunReport, style: Style) {
    let setting = &report.setting;
    let (accel, reason) = setting.accel.split_once(": ").unwrap_or((&setting.accel, ""));
    let title =
        format!("Linux {} with series {}, {} kernel, {accel}", setting.version, setting.series, setting.flavour);
    let _ = writeln!(out, "{}", style.strong(&title));
    if !reason.is_empty() {
        let _ = writeln!(out, "{}", style.faint(&format!("{accel}: {}", wrap(reason, "     "))));
    }
    let image: String = setting.image.chars().take(12).collect();
    let how = match &setting.pack {
        Some(file) => format!("from {file}"),
        None => if setting.built { "built now" } else { "from the cache" }.into(),
    };
    let _ = writeln!(out, "{}", style.faint(&format!("source: {}; image {image} {how}", setting.origin)));
    for note in &setting.notes {
        let _ = writeln!(out, "{}", style.faint(&format!("series: {}", wrap(note, "        "))));
    }
    let _ = writeln!(out);
}

/// One line for each area.
fn areas(out: &mut String, report: &RunReport, style: Style) {
    let mut areas: Vec<String> = Vec::new();
    for verdict in &report.verdicts {
        let area = area(verdict);
        if !areas.contains(&area) {
            areas.push(area);
        }
    }
    for name in areas {
        let of_area = || report.verdicts.iter().filter(|verdict| area(verdict) == name);
        let tally = tally(of_area());
        let clauses = in_contract_order(of_area());
        let bad = in_contract_order(of_area().filter(|verdict| is_bad(verdict)));
        let mut counts = format!("{:>3} ok", tally.passed);
        if tally.skipped > 0 {
            let _ = write!(counts, ", {} skipped", tally.skipped);
        }
        if tally.known > 0 {
            let _ = write!(counts, ", {} known", tally.known);
        }
        if tally.breaks > 0 {
            let _ = write!(counts, ", {} breaks", tally.breaks);
        }
        if tally.failed > tally.unrun {
            let _ = write!(counts, ", {} failed", tally.failed - tally.unrun);
        }
        if tally.unrun > 0 {
            let _ = write!(counts, ", {} unrun", tally.unrun);
        }
        if tally.blocked > 0 {
            let _ = write!(counts, ", {} blocked", tally.blocked);
        }
        let only_new = of_area().all(|verdict| !is_bad(verdict) || verdict.verdict == Verdict::Unreviewed);
        let mark = match (bad.is_empty(), only_new) {
            (true, _) if tally.unrun + tally.blocked > 0 => style.notable("--  "),
            // The clause is violated, known or not.
            (true, _) if tally.known > 0 => style.notable("bug "),
            (true, _) if tally.breaks > 0 => style.notable("part"),
            (true, _) => style.good("ok  "),
            (false, true) => style.notable("NEW "),
            (false, false) => style.bad("FAIL"),
        };
        let what = if bad.is_empty() { clauses.join(" ") } else { style.bad(&bad.join(" ")) };
        let _ = writeln!(out, "  {mark} {name:<11} {counts:<22} {what}");
    }
}

/// The cases that were not planned because they apply to other kernels.
fn elsewhere(out: &mut String, report: &RunReport, style: Style) {
    let names = report.elsewhere_names();
    if !names.is_empty() {
        let line = format!("  not run, because they apply to other kernels: {}", names.join(", "));
        let _ = writeln!(out, "{}", style.faint(&line));
    }
}

/// The clauses of some verdicts, each once, in the order of the contract.
fn in_contract_order<'a>(verdicts: impl Iterator<Item = &'a CaseVerdict>) -> Vec<&'static str> {
    let judged: Vec<&str> = verdicts.map(|verdict| verdict.clause.as_str()).collect();
    clause::CLAUSES.iter().map(|clause| clause.id).filter(|id| judged.contains(id)).collect()
}

fn area(verdict: &CaseVerdict) -> String {
    verdict.key.id().split('/').next().unwrap_or_default().to_string()
}

fn problem(out: &mut String, verdict: &CaseVerdict, style: Style, repeat: &str) {
    let _ = writeln!(out);
    let word = format!("{} {}", verdict.verdict.word(), verdict.clause);
    let word =
        if verdict.verdict.exit_code() == ExitCode::Unreviewed { style.notable(&word) } else { style.bad(&word) };
    let _ = writeln!(out, "{word}  {}", style.strong(&verdict.key.0));
    if let Some(clause) = clause::find(&verdict.clause) {
        let _ = writeln!(out, "  clause: {}", wrap(clause.claim, "          "));
    }
    if let Verdict::Flaky { diff, worst, .. } = &verdict.verdict {
        let seen = verdict.verdict.sightings().unwrap_or_default();
        let _ = writeln!(out, "  different results in different runs: {seen}; the worst, {}:", worst.word());
        if !diff.is_empty() {
            let _ = writeln!(out, "  the difference from the most frequent transcript:");
            indented(out, diff, style);
        }
    } else if verdict.tries > 1 {
        let _ = writeln!(out, "  failed in {0} of {0} runs; the first:", verdict.tries);
    }
    match verdict.verdict.detailed() {
        Verdict::Failed { reasons } => {
            for reason in reasons.iter().take(4) {
                let _ = writeln!(out, "  {} {}", style.bad("violated:"), wrap(reason, "            "));
            }
            if reasons.len() > 4 {
                let _ = writeln!(out, "  and {} more violations in this case", reasons.len() - 4);
            }
            transcript(out, verdict.run.as_ref(), style);
        }
        Verdict::Differs { diff } => {
            let _ = writeln!(out, "  the transcript differs from the reviewed one:");
            indented(out, diff, style);
        }
        Verdict::Recorded { diff } => {
            let _ = writeln!(out, "  no clause says what it has to be; it is not what the reviewed kernels do:");
            indented(out, diff, style);
        }
        Verdict::Unreviewed => {
            let _ = writeln!(out, "  this transcript has not been reviewed yet: cargo insta review");
            if let Some(run) = &verdict.run {
                indented(out, &run.text(), style);
            }
        }
        told @ (Verdict::HazardGone | Verdict::Unbroken | Verdict::Broken { .. } | Verdict::UnexpectedSkip { .. }) => {
            let _ = writeln!(out, "  {}", problems::why(told).unwrap_or_default());
            if !matches!(told, Verdict::UnexpectedSkip { .. }) {
                transcript(out, verdict.run.as_ref(), style);
            }
        }
        Verdict::Lost { begun, how } => {
            let when = if *begun { "while it ran" } else { "before it could start" };
            let _ = writeln!(out, "  the guest was lost {when}: {how}");
            transcript(out, verdict.run.as_ref(), style);
        }
        Verdict::DefectGone { reason } => {
            let _ = writeln!(out, "  a known defect of this kernel did not show:\n    {}", wrap(reason, "    "));
            let _ = writeln!(out, "  if it is fixed, change the range of kernels in harness/known-defects.toml");
        }
        Verdict::KnownDefect { reasons, .. } => {
            for reason in reasons {
                let _ = writeln!(out, "  violated, a known defect: {}", wrap(reason, "            "));
            }
        }
        Verdict::Breaks { reasons } => {
            for reason in reasons {
                let _ = writeln!(out, "  broken, as the series declares: {}", wrap(reason, "            "));
            }
        }
        Verdict::Pass | Verdict::ExpectedHazard { .. } | Verdict::Skipped { .. } => {}
        Verdict::NotRun { .. } | Verdict::Blocked { .. } | Verdict::Flaky { .. } => {}
    }
    if !verdict.tasks.is_empty() {
        let _ = writeln!(out, "  {}", style.bad("tasks of the hung guest:"));
        for line in verdict.tasks.iter().take(TASKS) {
            let _ = writeln!(out, "    {}", wrap(&printable(line), "      "));
        }
        if verdict.tasks.len() > TASKS {
            let _ = writeln!(out, "    {}", style.faint("... the rest is in the recording"));
        }
    }
    let blamed: Vec<&Complaint> =
        verdict.complaints.iter().filter(|complaint| complaint.suppressed.is_none()).collect();
    if let Some((first, more)) = blamed.split_first() {
        splat(out, first, style);
        if !more.is_empty() {
            let _ = writeln!(out, "    {}", style.faint(&format!("and {} more complaints while it ran", more.len())));
        }
    }
    let _ = writeln!(out, "  {} {repeat}", style.faint("again:"));
    if let Some((case, _)) = suite::find(&verdict.key) {
        let _ = writeln!(out, "  {} cases/src/suite/{}.rs", style.faint("case: "), case.id());
    }
}

/// The known defects of this kernel, each once, with its cases. The page has the sentences that failed.
fn known(out: &mut String, report: &RunReport, style: Style) {
    let mut defects: Vec<(&str, Vec<&CaseVerdict>)> = Vec::new();
    for verdict in &report.verdicts {
        let Verdict::KnownDefect { reason, .. } = &verdict.verdict else { continue };
        match defects.iter_mut().find(|(known, ..)| known == reason) {
            Some((_, verdicts)) => verdicts.push(verdict),
            None => defects.push((reason, vec![verdict])),
        }
    }
    for (reason, verdicts) in defects {
        let mut ids: Vec<&str> = verdicts.iter().map(|verdict| verdict.key.id()).collect();
        ids.dedup();
        let word = format!("{} {}", verdicts[0].verdict.word(), in_contract_order(verdicts.iter().copied()).join(" "));
        let _ = writeln!(out, "\n{}  {}", style.notable(&word), style.strong(&ids.join(", ")));
        let text = format!("a known defect of this kernel, not of the series: {reason}");
        let _ = writeln!(out, "  {}", wrap(&text, "  "));
    }
}

/// The cases that were not run: one line for each reason.
fn unrun(out: &mut String, report: &RunReport, style: Style) {
    let mut reasons: Vec<(&str, usize)> = Vec::new();
    for verdict in &report.verdicts {
        let Verdict::NotRun { why } = &verdict.verdict else { continue };
        match reasons.iter_mut().find(|(reason, _)| reason == why) {
            Some((_, count)) => *count += 1,
            None => reasons.push((why, 1)),
        }
    }
    let mut blocked: BTreeMap<&str, usize> = BTreeMap::new();
    for verdict in &report.verdicts {
        if let Verdict::Blocked { by } = &verdict.verdict {
            *blocked.entry(by).or_default() += 1;
        }
    }
    for (by, count) in blocked {
        let cases = if count == 1 { "1 case relies".into() } else { format!("{count} cases rely") };
        let _ = writeln!(out, "\n{} {cases} on {by}, which is violated", style.notable("blocked"));
    }
    for (why, count) in reasons {
        let cases = if count == 1 { "1 case".into() } else { format!("{count} cases") };
        let _ = writeln!(out, "\n{} {cases}: {why}", style.notable("unrun"));
    }
}

/// The transcript around the first line that failed, or its end.
fn transcript(out: &mut String, run: Option<&CaseRun>, style: Style) {
    let Some(run) = run else { return };
    let failed = |step: &TranscriptStep| {
        matches!(step, TranscriptStep::Check { holds: false, .. } | TranscriptStep::Hazard { present: false, .. })
    };
    let focus = run.steps.iter().position(failed).unwrap_or(run.steps.len().saturating_sub(1));
    let start = focus.saturating_sub(CONTEXT);
    let end = (focus + 3).min(run.steps.len());
    if start > 0 {
        let _ = writeln!(out, "    {}", style.faint(&format!("... {start} lines before")));
    }
    for step in &run.steps[start..end] {
        let line = step_text(step);
        let open = matches!(step, TranscriptStep::Call { result: None, .. });
        let line = if failed(step) || open { style.bad(&line) } else { line };
        let _ = writeln!(out, "    {line}");
    }
    if end < run.steps.len() {
        let _ = writeln!(out, "    {}", style.faint(&format!("... {} lines after", run.steps.len() - end)));
    }
}

fn splat(out: &mut String, complaint: &Complaint, style: Style) {
    let function = complaint.frame.as_ref().map(|name| format!(" in {name}()")).unwrap_or_default();
    let _ = writeln!(out, "  {}{function}", style.bad("kernel log:"));
    let telling: Vec<&String> = complaint.lines.iter().filter(|line| !is_noise(line)).collect();
    for line in telling.iter().take(SPLAT) {
        let _ = writeln!(out, "    {}", printable(line));
    }
    if telling.len() > SPLAT {
        let _ = writeln!(out, "    {}", style.faint("... the rest is in the recording"));
    }
}

fn indented(out: &mut String, text: &str, style: Style) {
    for line in text.lines().take(40) {
        let painted = match line.as_bytes().first() {
            Some(b'-') => style.bad(line),
            Some(b'+') => style.good(line),
            _ => line.to_string(),
        };
        let _ = writeln!(out, "    {painted}");
    }
}

fn closing(out: &mut String, report: &RunReport, style: Style) {
    let tally = report.tally();
    let code = report.exit_code();
    let timing = report.timing;
    let _ = writeln!(out);
    if tally.hazards > 0 {
        let hazard = |verdict: &&CaseVerdict| matches!(verdict.verdict, Verdict::ExpectedHazard { .. });
        let unique = in_contract_order(report.verdicts.iter().filter(hazard));
        let _ = writeln!(out, "known limits confirmed: {} (cargo xtask explain CLAUSE says why)", unique.join(" "));
    }
    remarks::render(out, report, style);
    let guests = if report.guests == 1 { "1 guest".into() } else { format!("{} guests", report.guests) };
    let times = format!(
        "kernel {:.1} s, guest program {:.1} s, {guests} {:.1} s",
        timing.kernel, timing.guest_program, timing.guests
    );
    let _ = writeln!(out, "{}", style.faint(&times));
    if let Some(held) = &report.rounds {
        let line = rounds::line(held, report.verdicts.len());
        let _ = writeln!(out, "{}", if held.deviating.is_empty() { line } else { style.bad(&line) });
    }
    let result = format!("result: {} (exit {})", code.meaning(), code.number());
    let _ = writeln!(out, "{}", if code.number() == 0 { style.good(&result) } else { style.bad(&result) });
    // Programs that read the last lines rely on this form.
    let known = match tally.known {
        0 => String::new(),
        1 => "; 1 fails by a known defect of this kernel".into(),
        count => format!("; {count} fail by a known defect of this kernel"),
    };
    let breaks = match tally.breaks {
        0 => String::new(),
        1 => "; 1 fails because the series breaks a control".into(),
        count => format!("; {count} fail because the series breaks a control"),
    };
    let blocked = if tally.blocked > 0 { format!("; {} blocked", tally.blocked) } else { String::new() };
    let unrun = if tally.unrun > 0 { format!("; of the failed, {} were not run", tally.unrun) } else { String::new() };
    let _ = writeln!(
        out,
        "conformance: {} passed, {} failed, {} skipped{blocked}{known}{breaks}{unrun}",
        tally.passed, tally.failed, tally.skipped
    );
}

#[cfg(test)]
mod tests;
