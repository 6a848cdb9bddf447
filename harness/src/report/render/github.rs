//! Workflow commands of GitHub Actions: annotations for findings, then for what else is not a pass (docs.github.com, "Workflow
//! commands for GitHub Actions").

use std::fmt::Write;

use crate::host::style::{cut, printable};
use crate::report::matrix::Matrix;
use crate::report::matrix::findings::{self, MatrixFinding};
use crate::report::matrix::problems::{self, Level, Problem};

/// GitHub shows at most this many annotations of one level for one step.
const SHOWN: usize = 10;
/// Characters of a title; GitHub takes 255.
const TITLE: usize = 200;
/// Characters of an explanation that are shown; the report has all of it.
const LENGTH: usize = 600;
/// Last lines of a transcript, and first lines of the kernel log, that are shown.
const LINES: usize = 4;

/// An annotation before it is encoded.
struct Annotation {
    level: Level,
    title: String,
    message: String,
}

/// Renders a matrix: one command for each finding, the worst first, then one for each other problem. At most ten of a level; the
/// last of these counts the others.
pub fn render(matrix: &Matrix) -> String {
    let found = findings::of(matrix);
    let problems = problems::of(matrix);
    let all: Vec<Annotation> = found.iter().map(of_finding).chain(problems.iter().map(of_problem)).collect();
    let mut out = String::new();
    for (level, command) in [(Level::Error, "error"), (Level::Warning, "warning"), (Level::Notice, "notice")] {
        let of_level: Vec<&Annotation> = all.iter().filter(|one| one.level == level).collect();
        let room = if of_level.len() > SHOWN { SHOWN - 1 } else { SHOWN };
        for one in of_level.iter().take(room) {
            annotate(&mut out, command, &one.title, &one.message);
        }
        if of_level.len() > room {
            let rest = &of_level[room..];
            let titles: Vec<&str> = rest.iter().map(|one| one.title.as_str()).collect();
            annotate(&mut out, command, &format!("and {} more", rest.len()), &cut(&titles.join("\n"), LENGTH));
        }
    }
    out
}

fn of_finding(found: &MatrixFinding) -> Annotation {
    let finding = &found.finding;
    let sentence = format!("{}: {}", finding.clause, finding.title);
    let title = cut(&sentence, TITLE);
    let count = finding.cases.len();
    let cases = if count == 1 { "1 case".into() } else { format!("{count} cases") };
    let mut text = format!("{}, {cases} on {}", finding.severity.words(), found.cells.join(", "));
    if title != sentence {
        let _ = write!(text, "\n{}", cut(&finding.title, LENGTH));
    }
    let mut evidence = finding.transcript[finding.transcript.len().saturating_sub(LINES)..].to_vec();
    if !finding.kernel_log.is_empty() {
        evidence.push("kernel log:".into());
        evidence.extend(finding.kernel_log.iter().take(LINES).cloned());
    }
    if !evidence.is_empty() {
        let _ = write!(text, "\n{}", cut(&evidence.join("\n"), LENGTH));
    }
    let explained: Vec<&str> = finding.follow_ups.iter().map(|one| one.clause.as_str()).collect();
    if !explained.is_empty() {
        let _ = write!(text, "\nexplains: {}", explained.join(", "));
    }
    Annotation { level: Level::Error, title, message: text + &again(&found.again) }
}

fn of_problem(problem: &Problem) -> Annotation {
    let mut text = cut(&problem.why, LENGTH);
    if problem.key.is_some() {
        let _ = write!(text, "\non {}", problem.cells.join(", "));
    }
    Annotation { level: problem.level, title: problem.title.clone(), message: text + &again(&problem.again) }
}

fn again(command: &str) -> String {
    if command.is_empty() { String::new() } else { format!("\nagain: {command}") }
}

/// Adds one annotation.
pub fn annotate(out: &mut String, command: &str, title: &str, message: &str) {
    let _ = writeln!(out, "::{command} title={}::{}", property(title), data(message));
}

/// Text after the second `::`, escaped so that text printed by a kernel cannot start another command.
fn data(text: &str) -> String {
    let lines: Vec<String> = text.split('\n').map(printable).collect();
    lines.join("\n").replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// A value before it.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit_code::ExitCode;
    use crate::findings::samples::checked;
    use crate::judge::verdict::Verdict;
    use crate::report::matrix::Cell;
    use crate::report::matrix::findings::tests::{found, three_defects};
    use crate::report::matrix::tests::{failed, ran};

    fn violated(reason: &str) -> Verdict {
        Verdict::Failed { reasons: vec![reason.into()] }
    }

    #[test]
    fn a_problem_is_one_line_whatever_the_kernel_printed() {
        let evil = "100% wrong\r\n::error::mine\u{1b}[2J, and: more";
        let text = render(&Matrix::new(vec![ran("7.2", "derive", vec![violated(evil)])]));
        assert_eq!(
            text,
            "::error title=FAIL R-1  rights/case_0@udmabuf::100%25 wrong\u{fffd}%0A::error::mine\u{fffd}[2J, and: more\
             %0Aon 7.2-derive-sanitized%0Aagain: cargo xtask test --exact rights/case_0@udmabuf --kernel 7.2\n"
        );
        assert_eq!(property("a: b, 5%\n"), "a%3A b%2C 5%25%0A");
    }

    #[test]
    fn what_passed_is_not_annotated_and_levels_are_told_apart() {
        let known = Verdict::KnownDefect { reason: "x".into(), reasons: vec!["y".into()] };
        let cells = vec![
            ran("7.2", "none", vec![Verdict::Pass, Verdict::Unreviewed, known]),
            failed("7.2", "derive", ExitCode::Build),
        ];
        let text = render(&Matrix::new(cells));
        let commands: Vec<&str> = text.lines().filter_map(|line| line.split_once("::")?.1.split(' ').next()).collect();
        assert_eq!(commands, ["error", "warning", "notice"]);
        assert_eq!(render(&Matrix::new(vec![ran("7.2", "none", vec![Verdict::Pass])])), "");
    }

    #[test]
    fn no_more_than_ten_of_a_level() {
        let lines = |count: usize| {
            let verdicts = (0..count).map(|number| violated(&number.to_string())).collect();
            let text = render(&Matrix::new(vec![ran("7.2", "derive", verdicts)]));
            text.lines().map(str::to_string).collect::<Vec<_>>()
        };
        assert_eq!(lines(10).len(), 10);
        assert!(!lines(10)[9].contains("more"));
        let many = lines(25);
        assert_eq!(many.len(), 10);
        assert!(many[9].starts_with("::error title=and 16 more::FAIL R-10"), "{}", many[9]);
        assert!(lines(200).iter().all(|line| line.len() < 1200));
    }

    #[test]
    fn one_annotation_for_each_finding_the_worst_first_then_what_is_in_none() {
        let cells = vec![found("6.12", three_defects()), found("7.2", three_defects())];
        insta::assert_snapshot!(render(&Matrix::new(cells)));
    }

    #[test]
    fn the_worst_findings_are_shown_and_the_others_are_counted() {
        // Findings of one clause and severity with different sentences, one in each cell, and a worse one in the last cell.
        let granted = |number: usize| {
            let detail = format!("descriptor {number}");
            found("7.2", vec![checked("uapi/status_flags@udmabuf", "F_GETFL of RO alias", &detail)])
        };
        let mut cells: Vec<Cell> = (0..12).map(granted).collect();
        cells.push(found("7.3", vec![checked("rights/derive_table@udmabuf", "RO alias: O_RDWR is EACCES", "granted")]));
        let text = render(&Matrix::new(cells));
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 10);
        assert!(lines[0].starts_with("::error title=R-1%3A "), "{}", lines[0]);
        assert!(lines[1].starts_with("::error title=UAPI-5%3A ") && lines[1].contains("descriptor 0"), "{}", lines[1]);
        assert!(lines[9].starts_with("::error title=and 4 more::UAPI-5: "), "{}", lines[9]);
        assert!(lines[9].contains("descriptor 8") && lines[9].contains("descriptor 11"), "{}", lines[9]);
    }

    #[test]
    fn a_sentence_that_is_too_long_for_a_title_is_in_the_message() {
        let long = format!("{}, the end", "word ".repeat(60));
        let cell = found("7.2", vec![checked("uapi/status_flags@udmabuf", "F_GETFL of RO alias", &long)]);
        let text = render(&Matrix::new(vec![cell]));
        let (title, message) = text.strip_prefix("::error title=").and_then(|text| text.split_once("::")).unwrap();
        assert!(title.len() <= 255 && title.ends_with(" ..."), "{title}");
        assert!(message.contains("the end"), "{message}");
    }
}
