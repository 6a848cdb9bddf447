//! The findings of all cells: each once, with the cells that have it.

use cases::protocol::CaseKey;

use super::{Cell, Matrix};
use crate::findings::{Finding, FollowUp};
use crate::report::run_report::RunReport;

/// Cases that are named where there is no room for all.
const NAMED: usize = 4;

/// A finding, and where it is.
#[derive(Clone, Debug, PartialEq)]
pub struct MatrixFinding {
    /// The finding, with the evidence from the first of the cells and the cases of all.
    pub finding: Finding,
    /// The cells that have it.
    pub cells: Vec<String>,
    /// The command that shows it again on the first of them; empty where nobody knows one.
    pub again: String,
}

/// All findings, the worst first, then in the order of the cells. Findings of two cells are the same if severity, clause and
/// sentence are: then the sentence is true of both. Two findings of one cell are never put together here.
pub fn of(matrix: &Matrix) -> Vec<MatrixFinding> {
    let mut all: Vec<MatrixFinding> = Vec::new();
    for cell in &matrix.cells {
        let id = &cell.place.id;
        for finding in cell.report().into_iter().flat_map(|report| &report.findings) {
            let words = (finding.severity, &finding.clause, &finding.title);
            let same = |known: &&mut MatrixFinding| {
                let other = &known.finding;
                (other.severity, &other.clause, &other.title) == words && !known.cells.contains(id)
            };
            match all.iter_mut().find(same) {
                Some(known) => {
                    known.cells.push(id.clone());
                    add_new(&mut known.finding.cases, &finding.cases);
                    add_new(&mut known.finding.also, &finding.also);
                    add_follow_ups(&mut known.finding.follow_ups, &finding.follow_ups);
                }
                None => all.push(MatrixFinding {
                    finding: finding.clone(),
                    cells: vec![id.clone()],
                    again: again(cell, &finding.case),
                }),
            }
        }
    }
    // The sort is stable: among equals the cells and the findings of each keep their order.
    all.sort_by_key(|found| found.finding.severity);
    all
}

/// The first names of a list of cases, and how many more there are.
pub fn named(keys: &[CaseKey]) -> (Vec<&str>, usize) {
    let names: Vec<&str> = keys.iter().take(NAMED).map(|key| key.0.as_str()).collect();
    let more = keys.len() - names.len();
    (names, more)
}

fn again(cell: &Cell, key: &CaseKey) -> String {
    let shown = |report: &RunReport| {
        let verdict = report.verdicts.iter().find(|verdict| verdict.key == *key)?;
        Some(report.setting.again(verdict))
    };
    cell.report().and_then(shown).unwrap_or_default()
}

fn add_new<T: PartialEq + Clone>(known: &mut Vec<T>, more: &[T]) {
    for one in more {
        if !known.contains(one) {
            known.push(one.clone());
        }
    }
}

fn add_follow_ups(known: &mut Vec<FollowUp>, more: &[FollowUp]) {
    for one in more {
        match known.iter_mut().find(|other| other.clause == one.clause && other.title == one.title) {
            Some(same) => add_new(&mut same.cases, &one.cases),
            None => known.push(one.clone()),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use cases::complaint::Kind;

    use super::*;
    use crate::findings::group;
    use crate::findings::samples::{checked, complained, left};
    use crate::findings::severity::Severity;
    use crate::judge::verdict::tests::verdict_on;
    use crate::judge::verdict::{CaseVerdict, Verdict};
    use crate::report::matrix::problems;
    use crate::report::matrix::tests::ran;

    /// A cell whose report has findings as a run makes them.
    pub(crate) fn found(kernel: &str, verdicts: Vec<CaseVerdict>) -> Cell {
        let mut report = ran(kernel, "derive", Vec::new()).report().cloned().expect("it was run");
        report.setting.options = format!("--kernel {kernel}");
        report.findings = group(&verdicts);
        report.verdicts = verdicts;
        Cell::ran(report)
    }

    /// Three defects in the order of the suite, which is not that of their severity: wrong flags, a gained right that explains
    /// another, and a use after free. Then what no finding tells: blocked, broken and new cases.
    pub(crate) fn three_defects() -> Vec<CaseVerdict> {
        let blocked = || Verdict::Blocked { by: "L-3".into() };
        vec![
            checked("uapi/status_flags@udmabuf", "F_GETFL of RO alias", "O_RDONLY|O_NONBLOCK"),
            complained("lifetime/importer_steps@udmabuf", Kind::Kasan, "dma_buf_put"),
            complained("lifetime/importer_steps@system-heap", Kind::Kasan, "dma_buf_put"),
            verdict_on("fences/importer_fence@udmabuf", blocked()),
            verdict_on("fences/importer_fence@system-heap", blocked()),
            checked("rights/derive_table@udmabuf", "RO alias: O_RDWR is EACCES", "it was granted"),
            checked("rights/walk@udmabuf", "no path from RO alias gains a right", "shortest path: derive O_RDWR"),
            verdict_on("rights/walk@system-heap", Verdict::Broken { why: "no memfd".into() }),
            verdict_on("identity/fdinfo@udmabuf", Verdict::Unreviewed),
        ]
    }

    #[test]
    fn the_worst_finding_of_all_cells_is_first() {
        let mild = checked("uapi/status_flags@udmabuf", "F_GETFL of RO alias", "O_RDONLY|O_NONBLOCK");
        let worst = complained("lifetime/importer_steps@udmabuf", Kind::Kasan, "dma_buf_put");
        let cells = vec![found("6.12", vec![left("lifetime/races@udmabuf")]), found("7.2", vec![mild, worst])];
        let severities: Vec<Severity> = of(&Matrix::new(cells)).iter().map(|one| one.finding.severity).collect();
        assert_eq!(severities, [Severity::MemoryCorruption, Severity::Violation, Severity::Leak]);
    }

    #[test]
    fn a_finding_of_several_cells_is_one_with_the_cases_of_all() {
        let on = |exporter: &str| {
            let key = format!("rights/derive_table@{exporter}");
            let under = format!("rights/walk@{exporter}");
            let path = "shortest path: derive O_RDWR";
            vec![
                checked(&key, "RO alias: O_RDWR is EACCES", "it was granted"),
                checked(&under, "no path from RO alias gains a right", path),
            ]
        };
        let found = of(&Matrix::new(vec![found("6.12", on("udmabuf")), found("7.2", on("system-heap"))]));
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].cells, ["6.12-derive-sanitized", "7.2-derive-sanitized"]);
        let keys = |keys: &[CaseKey]| keys.iter().map(|key| key.0.clone()).collect::<Vec<_>>().join(" ");
        assert_eq!(keys(&found[0].finding.cases), "rights/derive_table@udmabuf rights/derive_table@system-heap");
        assert_eq!(found[0].finding.follow_ups.len(), 1);
        assert_eq!(keys(&found[0].finding.follow_ups[0].cases), "rights/walk@udmabuf rights/walk@system-heap");
        assert_eq!(found[0].again, "cargo xtask test --exact rights/derive_table@udmabuf --kernel 6.12");
    }

    #[test]
    fn another_sentence_is_another_finding_and_so_is_another_one_of_the_same_cell() {
        let granted = |detail: &str| checked("rights/derive_table@udmabuf", "RO alias: O_RDWR is EACCES", detail);
        let cells = vec![found("6.12", vec![granted("it was granted")]), found("7.2", vec![granted("it was EPERM")])];
        assert_eq!(of(&Matrix::new(cells)).len(), 2);
        let mut twice = found("7.2", vec![granted("it was granted")]).report().unwrap().clone();
        twice.findings.push(twice.findings[0].clone());
        assert_eq!(of(&Matrix::new(vec![Cell::ran(twice)])).len(), 2);
    }

    #[test]
    fn a_finding_hides_its_own_cases_and_no_others() {
        let matrix = Matrix::new(vec![found("7.2", three_defects())]);
        let findings = of(&matrix);
        let clauses: Vec<&str> = findings.iter().map(|one| one.finding.clause.as_str()).collect();
        assert_eq!(clauses, ["L-3", "R-1", "UAPI-5"]);
        let problems = problems::of(&matrix);
        let titles: Vec<&str> = problems.iter().map(|problem| problem.title.as_str()).collect();
        let wanted = ["BROKEN R-2  rights/walk@system-heap", "blocked by L-3", "NEW I-3  identity/fdinfo@udmabuf"];
        assert_eq!(titles, wanted);
        let cases = "fences/importer_fence@udmabuf, fences/importer_fence@system-heap";
        assert_eq!(problems[1].why, format!("2 cases rely on L-3, which is violated: {cases}"));
        // Every case that is not as expected is told of once.
        let told = |key: &CaseKey| {
            let in_findings = findings.iter().filter(|one| one.finding.holds(key)).count();
            in_findings
                + problems.iter().filter(|problem| (problem.title.clone() + &problem.why).contains(&key.0)).count()
        };
        for verdict in three_defects() {
            assert_eq!(told(&verdict.key), 1, "{}", verdict.key);
        }
    }
}
